#include "report/axis.h"

#include <gtest/gtest.h>

namespace conopa::report {
namespace {

std::vector<std::string> labels(const Axis& axis) {
  std::vector<std::string> out;
  for (const Tick& tick : axis.ticks) out.push_back(tick.label);
  return out;
}

using Labels = std::vector<std::string>;

TEST(AxisTest, LinearTicksAreRound) {
  const Axis axis = make_axis(0.13, 2.31, 5, AxisScale::kLinear, ValueFormat::kNumber);
  EXPECT_EQ(labels(axis), (Labels{"0", "0.5", "1.0", "1.5", "2.0", "2.5"}));
  EXPECT_EQ(axis.low, 0.0);
  EXPECT_EQ(axis.high, 2.5);
  EXPECT_DOUBLE_EQ(axis.position(1.25), 0.5);
}

TEST(AxisTest, PercentTicksStayWithinHundred) {
  const Axis axis = make_axis(0.52, 0.97, 5, AxisScale::kLinear, ValueFormat::kPercent);
  EXPECT_EQ(labels(axis), (Labels{"50%", "60%", "70%", "80%", "90%", "100%"}));
}

TEST(AxisTest, LargeAndTinyValuesAreShortened) {
  EXPECT_EQ(labels(make_axis(0, 100000, 4, AxisScale::kLinear, ValueFormat::kNumber)),
            (Labels{"0", "25k", "50k", "75k", "100k"}));
  EXPECT_EQ(labels(make_axis(0, 2e-5, 2, AxisScale::kLinear, ValueFormat::kNumber)),
            (Labels{"0", "1e-05", "2e-05"}));
}

TEST(AxisTest, LogTicksArePowersOfTen) {
  const Axis axis = make_axis(0.01, 1000, 6, AxisScale::kLog, ValueFormat::kNumber);
  EXPECT_EQ(labels(axis), (Labels{"0.01", "0.1", "1", "10", "100", "1000"}));
  EXPECT_NEAR(axis.position(1), 0.4, 1e-12);
}

TEST(AxisTest, ShortLogRangeHasIntermediateTicks) {
  EXPECT_EQ(labels(make_axis(0.8, 30, 5, AxisScale::kLog, ValueFormat::kNumber)),
            (Labels{"1", "2", "5", "10", "20"}));
}

TEST(AxisTest, EmptyRangeIsWidened) {
  for (const double value : {0.0, 5.0, -3.0, 1e-9}) {
    const Axis axis = make_axis(value, value, 5, AxisScale::kLinear, ValueFormat::kNumber);
    EXPECT_LT(axis.low, axis.high) << value;
    EXPECT_GE(axis.position(value), 0.0) << value;
    EXPECT_LE(axis.position(value), 1.0) << value;
    EXPECT_GE(axis.ticks.size(), 2U) << value;
  }
  EXPECT_GE(make_axis(2, 2, 5, AxisScale::kLog, ValueFormat::kNumber).ticks.size(), 2U);
  EXPECT_LT(make_exact_axis(7, 7, 5).low, make_exact_axis(7, 7, 5).high);
}

TEST(AxisTest, StepTicksAreWholeNumbers) {
  EXPECT_EQ(labels(make_exact_axis(0, 3, 6)), (Labels{"0", "1", "2", "3"}));
}

TEST(FormatCountTest, SeparatesThousands) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(1000), "1,000");
  EXPECT_EQ(format_count(1234567), "1,234,567");
  EXPECT_EQ(format_count(-123456), "-123,456");
}

TEST(ValueAxisTest, FewValuesAreTheTicksWithRoomAtBothEnds) {
  const Axis axis = make_value_axis({160, 224, 288.5}, 5, AxisScale::kLinear);
  ASSERT_EQ(axis.ticks.size(), 3U);
  EXPECT_EQ(axis.ticks[1].label, "224");
  EXPECT_EQ(axis.ticks[2].label, "288.5");
  EXPECT_GT(axis.position(160), 0.01);
  EXPECT_LT(axis.position(288.5), 0.99);
}

TEST(ValueAxisTest, ManyValuesGetRoundTicks) {
  std::vector<double> values;
  for (int i = 0; i < 20; ++i) values.push_back(0.01 * i + 0.003);
  const Axis linear = make_value_axis(values, 5, AxisScale::kLinear);
  EXPECT_LE(linear.ticks.size(), 6U);
  EXPECT_EQ(linear.ticks.front().label, "0");
  const Axis log = make_value_axis(values, 5, AxisScale::kLog);
  EXPECT_EQ(log.ticks.front().label, "0.005");
}

TEST(ValueAxisTest, OneValueOrNoneStillHasARange) {
  for (const AxisScale scale : {AxisScale::kLinear, AxisScale::kLog}) {
    const Axis one = make_value_axis({0.001}, 5, scale);
    EXPECT_NEAR(one.position(0.001), 0.5, 1e-9);
    EXPECT_LT(make_value_axis({}, 5, scale).low, make_value_axis({}, 5, scale).high);
  }
}

}  // namespace
}  // namespace conopa::report
