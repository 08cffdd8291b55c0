#include "conopa/report/run_curves.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace conopa::report {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;
using ::testing::IsNan;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(EpochCurveTest, WeighsIntervalsByTheirSteps) {
  const MetricSeries series{.split = "train",
                            .name = "loss",
                            .steps = {20, 25, 45, 50},
                            .epochs = {0, 0, 1, 1},
                            .values = {1.0, 2.0, 0.5, 0.75}};
  const EpochCurve curve = epoch_curve(series);
  EXPECT_THAT(curve.epochs, ElementsAre(0, 1));
  EXPECT_THAT(curve.values, ElementsAre(DoubleEq(1.2), DoubleEq(0.55)));
}

TEST(EpochCurveTest, LeavesOutEpochsBeyondTheNumber) {
  const MetricSeries series{.steps = {10, 20, 25}, .epochs = {0, 1, 2}, .values = {0.1, 0.7, 0.3}};
  EXPECT_THAT(epoch_curve(series, 2).values, ElementsAre(0.1, 0.7));
  EXPECT_THAT(epoch_curve(series, 0).values, ElementsAre());
}

TEST(EpochCurveTest, ValuesThatAreNotFiniteStayVisible) {
  const MetricSeries series{
      .steps = {10, 20, 30}, .epochs = {0, 0, 1}, .values = {0.1, std::nan(""), 0.3}};
  EXPECT_THAT(epoch_curve(series).values, ElementsAre(IsNan(), 0.3));
}

TEST(BestValueTest, FollowsTheDirection) {
  const EpochCurve curve{.epochs = {0, 1, 2, 3}, .values = {0.4, 0.1, kInfinity, 0.3}};
  EXPECT_EQ(best_value(curve, Better::kHigher), 0.4);
  EXPECT_EQ(best_value(curve, Better::kLower), 0.1);
  EXPECT_FALSE(best_value(curve, Better::kNeither));
  EXPECT_FALSE(best_value({.epochs = {0}, .values = {std::nan("")}}, Better::kHigher));
}

TEST(JoinCurvesTest, MeansAndEndsOfTheRunsThatHaveTheEpoch) {
  const std::vector<EpochCurve> curves{{.epochs = {0, 1, 3}, .values = {1.0, 2.0, 5.0}},
                                       {.epochs = {0, 1}, .values = {3.0, 2.0}}};
  const std::vector<SpreadPoint> points = join_curves(curves);
  ASSERT_EQ(points.size(), 3U);
  EXPECT_EQ(points[0].spread.mean, 2.0);
  EXPECT_EQ(points[0].spread.low, 1.0);
  EXPECT_EQ(points[0].spread.high, 3.0);
  EXPECT_EQ(points[1].spread.deviation, 0.0);
  EXPECT_EQ(points[2].epoch, 3);
  EXPECT_EQ(points[2].spread.count, 1);
}

std::vector<SpreadPoint> points_of(std::int64_t epochs, std::int64_t runs) {
  std::vector<SpreadPoint> points;
  for (std::int64_t i = 0; i < epochs; ++i) {
    points.push_back({i, {.count = runs, .mean = 2, .deviation = {}, .low = 1, .high = 3}});
  }
  return points;
}

TEST(SpreadSeriesTest, CountsEpochsDoneAndDrawsBars) {
  const PlotSeries series = spread_series("a", points_of(3, 2), 1);
  EXPECT_EQ(series.name, "a");
  EXPECT_EQ(series.color, 1);
  EXPECT_THAT(series.x, ElementsAre(1, 2, 3));
  EXPECT_THAT(series.y, ElementsAre(2, 2, 2));
  EXPECT_THAT(series.y_low, ElementsAre(1, 1, 1));
  EXPECT_THAT(series.y_high, ElementsAre(3, 3, 3));
}

TEST(SpreadSeriesTest, SingleRunsHaveNoBars) {
  const PlotSeries series = spread_series("a", points_of(3, 1), 0);
  EXPECT_TRUE(series.y_low.empty());
  EXPECT_TRUE(series.y_high.empty());
}

TEST(SpreadSeriesTest, LongRunsKeepAFewBarsThatDifferByColour) {
  const auto barred = [](int color) {
    std::vector<std::size_t> out;
    const PlotSeries series = spread_series("a", points_of(300, 3), color);
    for (std::size_t i = 0; i < series.y_low.size(); ++i) {
      if (std::isfinite(series.y_low[i])) out.push_back(i);
    }
    return out;
  };
  EXPECT_EQ(barred(0).size(), 24U);  // every 13th of 300
  for (const std::size_t i : barred(0)) EXPECT_THAT(barred(1), testing::Not(testing::Contains(i)));
}

TEST(SecondsPerEpochTest, IsTheMedianFromEndToEnd) {
  std::vector<MetricEvent> events;
  for (const auto& [epoch, time] :
       {std::pair{0, 95.0}, {0, 100.0}, {1, 110.0}, {2, 121.0}, {3, 9999.0}, {4, 10011.0}}) {
    events.push_back({.step = epoch, .epoch = epoch, .wall_time = time, .split = "train"});
  }
  EXPECT_DOUBLE_EQ(seconds_per_epoch(events).value(), 11.5);  // 10, 11, 9878 (a pause), 12
  EXPECT_DOUBLE_EQ(seconds_per_epoch(events, 3).value(), 10.5);
  EXPECT_FALSE(seconds_per_epoch(events, 1));
  EXPECT_FALSE(seconds_per_epoch({}));
}

}  // namespace
}  // namespace conopa::report
