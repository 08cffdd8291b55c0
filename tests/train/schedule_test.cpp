#include "conopa/train/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/core/error.h"

namespace conopa::train {
namespace {

// Expected values were computed by the published training code.
void expect_close(const std::vector<double>& actual, const std::vector<double>& expected) {
  EXPECT_THAT(actual, testing::Pointwise(testing::DoubleNear(1e-9), expected));
}

std::vector<double> runs(std::initializer_list<std::pair<int, double>> parts) {
  std::vector<double> out;
  for (const auto& [count, value] : parts)
    out.insert(out.end(), static_cast<std::size_t>(count), value);
  return out;
}

TEST(CosineScheduleTest, WarmsUpThenFalls) {
  const std::vector<double> expected = {0.0,
                                        0.00044444444444444447,
                                        0.0008888888888888889,
                                        0.0013333333333333335,
                                        0.0017777777777777779,
                                        0.0022222222222222222,
                                        0.002666666666666667,
                                        0.0031111111111111114,
                                        0.0035555555555555557,
                                        0.004,
                                        0.004,
                                        0.003975382837019978,
                                        0.0039021375043321598,
                                        0.0037820675451146414,
                                        0.0036181294802527077,
                                        0.0034143600089825018,
                                        0.0031757766119588,
                                        0.0029082540042292236,
                                        0.0026183794802527075,
                                        0.002313290712847942,
                                        0.0020005,
                                        0.0016877092871520588,
                                        0.0013826205197472927,
                                        0.0010927459957707762,
                                        0.0008252233880412002,
                                        0.0005866399910174983,
                                        0.00038287051974729284,
                                        0.0002189324548853586,
                                        9.886249566784052e-05,
                                        2.561716298002225e-05};
  expect_close(cosine_schedule(0.004, 1e-06, 6, 5, {.epochs = 2.0}), expected);
}

TEST(CosineScheduleTest, StartsAtThePeakWithoutWarmup) {
  const std::vector<double> expected = {8e-05,
                                        7.955881763589258e-05,
                                        7.824512582855255e-05,
                                        7.608827028214556e-05,
                                        7.31364315854818e-05,
                                        6.945554893727814e-05,
                                        6.512784717341999e-05,
                                        6.025e-05,
                                        5.493097046247261e-05,
                                        4.928957689127442e-05,
                                        4.345183869666376e-05,
                                        3.7548161303336255e-05,
                                        3.1710423108725586e-05,
                                        2.60690295375274e-05,
                                        2.0750000000000013e-05,
                                        1.5872152826580028e-05,
                                        1.1544451062721862e-05,
                                        7.863568414518198e-06,
                                        4.911729717854448e-06,
                                        2.754874171447448e-06,
                                        1.4411823641074233e-06};
  expect_close(cosine_schedule(8e-05, 1e-06, 3, 7), expected);
}

TEST(CosineScheduleTest, IsConstantBetweenEqualEnds) {
  expect_close(cosine_schedule(0.05, 0.05, 3, 4), runs({{12, 0.05}}));
}

TEST(CosineScheduleTest, StartsTheWarmupAtItsStartValue) {
  const std::vector<double> values =
      cosine_schedule(1.0, 0.0, 2, 4, {.epochs = 0.5, .start = 0.25});
  EXPECT_EQ(values.size(), 8U);
  EXPECT_EQ(values[0], 0.25);
  EXPECT_EQ(values[1], 1.0);
}

TEST(CosineScheduleTest, RefusesAWarmupBeyondTheRun) {
  EXPECT_THROW(static_cast<void>(cosine_schedule(1.0, 0.0, 2, 5, {.epochs = 2.5})), ConfigError);
}

// VisionLLaMA's supervised schedule: 800 epochs, 5 of warm-up from 1e-6, peak 3e-3, end 1e-5.
constexpr LrSchedule supervised(LrMode mode) {
  return {.mode = mode, .peak = 3e-3, .final = 1e-5, .warmup = {.epochs = 5.0, .start = 1e-6}};
}

TEST(LrScheduleTest, PerEpochTheCosineCountsFromTheStart) {
  const std::vector<double> values = lr_schedule(supervised(LrMode::kEpoch), 800, 2);
  ASSERT_EQ(values.size(), 1600U);
  const auto epoch = [&](std::size_t e) { return values[2 * e]; };
  EXPECT_DOUBLE_EQ(epoch(0), 1e-6);
  EXPECT_DOUBLE_EQ(epoch(1), 0.0006008);
  EXPECT_DOUBLE_EQ(epoch(4), 0.0024002);
  EXPECT_NEAR(epoch(5), 0.002999711824520687, 1e-15);
  EXPECT_NEAR(epoch(400), 0.001505, 1e-15);
  EXPECT_NEAR(epoch(799), 1.0011527374701519e-05, 1e-15);
  for (std::size_t i = 0; i < values.size(); i += 2) EXPECT_EQ(values[i], values[i + 1]);
}

TEST(LrScheduleTest, LaggedRunsTwoEpochsAtTheStartValue) {
  const std::vector<double> values = lr_schedule(supervised(LrMode::kEpochLagged), 800, 1);
  ASSERT_EQ(values.size(), 800U);
  EXPECT_DOUBLE_EQ(values[0], 1e-6);
  EXPECT_DOUBLE_EQ(values[1], 1e-6);
  EXPECT_DOUBLE_EQ(values[2], 0.0006008);
  EXPECT_DOUBLE_EQ(values[5], 0.0024002);
  EXPECT_NEAR(values[6], 0.002999711824520687, 1e-15);
  EXPECT_NEAR(values[799], 1.0046109321039454e-05, 1e-15);
}

TEST(LrScheduleTest, LaggedWithoutWarmupStartsAtThePeak) {
  expect_close(
      lr_schedule({.mode = LrMode::kEpochLagged, .peak = 1.0, .final = 0.0, .warmup = {}}, 4, 1),
      {1.0, 1.0, 0.8535533905932737, 0.5});
}

// mmengine's LinearLR multiplies by 1 + (1 − f)/((W − 1)·f + (k − 1)(1 − f)) at its step k.
TEST(LrScheduleTest, PerStepIsLinearLrThenCosine) {
  constexpr double kFactor = 1e-4;
  constexpr int kWarm = 8;
  const std::vector<double> values =
      lr_schedule({.mode = LrMode::kStep,
                   .peak = 2.4e-3,
                   .final = 0.0,
                   .warmup = {.epochs = 2.0, .start = kFactor * 2.4e-3}},
                  4, 4);
  ASSERT_EQ(values.size(), 16U);
  double expected = kFactor * 2.4e-3;
  EXPECT_NEAR(values[0], expected, 1e-15);
  for (int k = 1; k < kWarm; ++k) {
    expected *= 1.0 + (1.0 - kFactor) / ((kWarm - 1) * kFactor + (k - 1) * (1.0 - kFactor));
    EXPECT_NEAR(values[static_cast<std::size_t>(k)], expected, 1e-15) << k;
  }
  EXPECT_EQ(values[7], 2.4e-3);
  EXPECT_EQ(values[8], 2.4e-3);
  EXPECT_NEAR(values[10], 2.4e-3 * 0.8535533905932737, 1e-15);
  EXPECT_NEAR(values[12], 1.2e-3, 1e-15);
}

TEST(LrScheduleTest, IsConstantBetweenEqualEnds) {
  for (const LrMode mode : {LrMode::kStep, LrMode::kEpoch, LrMode::kEpochLagged}) {
    expect_close(lr_schedule({.mode = mode, .peak = 1e-5, .final = 1e-5, .warmup = {}}, 3, 2),
                 runs({{6, 1e-5}}));
  }
}

TEST(LrScheduleTest, RefusesAWarmupBeyondTheRun) {
  for (const LrMode mode : {LrMode::kStep, LrMode::kEpoch, LrMode::kEpochLagged}) {
    EXPECT_THROW(static_cast<void>(lr_schedule({.mode = mode, .warmup = {.epochs = 4.0}}, 3, 2)),
                 ConfigError);
  }
}

TEST(MaskScheduleTest, StandardNeverEnds) {
  expect_close(mask_schedule({.mode = MaskMode::kStandard}, 6, 5), runs({{30, 1.0}}));
}

TEST(MaskScheduleTest, SoftConstantEndsAtTheCutoff) {
  expect_close(mask_schedule({.cutoff_epochs = 2.0}, 6, 5), runs({{10, 1.0}, {20, 0.0}}));
}

TEST(MaskScheduleTest, SoftLinearReachesZeroAtItsLastEarlyStep) {
  std::vector<double> expected = {1.0,
                                  0.9285714285714286,
                                  0.8571428571428572,
                                  0.7857142857142857,
                                  0.7142857142857143,
                                  0.6428571428571429,
                                  0.5714285714285714,
                                  0.5,
                                  0.4285714285714286,
                                  0.3571428571428572,
                                  0.2857142857142858,
                                  0.2142857142857143,
                                  0.1428571428571429,
                                  0.07142857142857151};
  expected.resize(30, 0.0);
  expect_close(mask_schedule({.shape = CutoffShape::kLinear, .cutoff_epochs = 3.0}, 6, 5),
               expected);
}

TEST(MaskScheduleTest, CutoffZeroIsCausalFromTheStart) {
  expect_close(mask_schedule({.cutoff_epochs = 0.0}, 3, 5), runs({{15, 0.0}}));
}

TEST(MaskScheduleTest, RefusesACutoffBeyondTheRun) {
  EXPECT_THROW(static_cast<void>(mask_schedule({.cutoff_epochs = 7.0}, 6, 5)), ConfigError);
}

TEST(DropScheduleTest, StandardNeverEnds) {
  expect_close(drop_schedule({.rate = 0.4}, 4, 3), runs({{12, 0.4}}));
}

TEST(DropScheduleTest, EarlyLinearReachesZeroAtItsLastStep) {
  std::vector<double> expected = {0.1,
                                  0.08571428571428572,
                                  0.07142857142857142,
                                  0.05714285714285715,
                                  0.04285714285714286,
                                  0.028571428571428567,
                                  0.01428571428571429};
  expected.resize(20, 0.0);
  expect_close(drop_schedule({.mode = DropMode::kEarly,
                              .shape = CutoffShape::kLinear,
                              .rate = 0.1,
                              .cutoff_epochs = 2.0},
                             5, 4),
               expected);
}

TEST(DropScheduleTest, LateStartsAtTheCutoff) {
  expect_close(drop_schedule({.mode = DropMode::kLate, .rate = 0.4, .cutoff_epochs = 2.0}, 5, 4),
               runs({{8, 0.0}, {12, 0.4}}));
}

TEST(DropScheduleTest, RefusesALateLinearOne) {
  EXPECT_THROW(
      static_cast<void>(drop_schedule(
          {.mode = DropMode::kLate, .shape = CutoffShape::kLinear, .cutoff_epochs = 1.0}, 5, 4)),
      ConfigError);
}

}  // namespace
}  // namespace conopa::train
