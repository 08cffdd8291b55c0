#include "conopa/eval/classification_meter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "conopa/core/error.h"
#include "conopa/core/rng.h"

namespace conopa::eval {
namespace {

constexpr double kTight = 1e-12;

ClassificationResult evaluate(std::int64_t classes, const std::vector<float>& logits,
                              const std::vector<std::int64_t>& labels) {
  ClassificationMeter meter(classes);
  meter.add(logits, labels);
  return meter.result();
}

/// Two-class logits whose softmax maximum (class 0) is `p`.
std::vector<float> confident(double p) {
  return {static_cast<float>(std::log(p / (1.0 - p))), 0.0F};
}

/// The bin that received the only sample.
int only_bin(const ClassificationResult& result) {
  for (std::size_t i = 0; i < result.calibration.bins.size(); ++i) {
    if (result.calibration.bins[i].count == 1) return static_cast<int>(i);
  }
  return -1;
}

TEST(ClassificationMeterTest, MatchesHandComputedExample) {
  // Three samples, three classes; softmax of (ln 2, ln 1, ln 1) is (1/2, 1/4, 1/4).
  const float a = std::log(2.0F);
  const ClassificationResult r = evaluate(3, {a, 0, 0, 0, a, 0, 0, a, 0}, {0, 1, 2});
  EXPECT_EQ(r.samples, 3);
  EXPECT_NEAR(r.top1, 2.0 / 3.0, kTight);
  EXPECT_NEAR(r.loss, (2 * std::log(2.0) + std::log(4.0)) / 3.0, 1e-7);
  EXPECT_EQ(r.classes[1].support, 1);
  EXPECT_EQ(r.classes[1].predicted, 2);
  EXPECT_EQ(r.classes[1].correct, 1);
  EXPECT_EQ(r.confusion, (std::vector<std::int64_t>{1, 0, 0, 0, 1, 0, 0, 1, 0}));
  // All three confidences are 1/2, in bin (7/15, 8/15]: gap |1/2 - 2/3| = 1/6.
  EXPECT_NEAR(r.calibration.ece, 1.0 / 6.0, 1e-7);
  EXPECT_NEAR(r.calibration.mce, 1.0 / 6.0, 1e-7);
  EXPECT_EQ(r.calibration.bins[7].count, 3);
}

TEST(ClassificationMeterTest, EceWeighsBinsByCount) {
  ClassificationMeter meter(2);
  for (int i = 0; i < 3; ++i) meter.add(confident(0.9), std::vector<std::int64_t>{0});
  meter.add(confident(0.7), std::vector<std::int64_t>{1});
  const Calibration c = meter.result().calibration;
  EXPECT_NEAR(c.ece, 0.75 * 0.1 + 0.25 * 0.7, 1e-6);
  EXPECT_NEAR(c.mce, 0.7, 1e-6);
}

TEST(ClassificationMeterTest, TiesGoToTheLowerClass) {
  const ClassificationResult r = evaluate(3, {1, 1, 1, 1, 1, 1}, {0, 1});
  EXPECT_NEAR(r.top1, 0.5, kTight);
  EXPECT_EQ(r.classes[0].predicted, 2);
}

TEST(ClassificationMeterTest, TopFiveCountsEarlierTiesOnly) {
  // Seven equal logits: a stable sort puts labels 0..4 first.
  ClassificationMeter meter(7);
  const std::vector<float> logits(7, 0.5F);
  for (std::int64_t label = 0; label < 7; ++label) {
    meter.add(logits, std::vector<std::int64_t>{label});
  }
  EXPECT_NEAR(meter.result().top5, 5.0 / 7.0, kTight);
  EXPECT_EQ(meter.result().top_k, 5);
}

TEST(ClassificationMeterTest, TopFiveOfThreeClassesIsAlwaysRight) {
  const ClassificationResult r = evaluate(3, {3, 2, 1}, {2});
  EXPECT_EQ(r.top_k, 3);
  EXPECT_EQ(r.top5, 1.0);
  EXPECT_EQ(r.top1, 0.0);
}

TEST(ClassificationMeterTest, SingleClassHasFullConfidenceInLastBin) {
  const ClassificationResult r = evaluate(1, {-3.0F}, {0});
  EXPECT_EQ(r.loss, 0.0);
  EXPECT_EQ(r.calibration.bins.back().count, 1);
  EXPECT_EQ(r.calibration.bins.back().high, 1.0);
}

TEST(ClassificationMeterTest, BinsAreOpenBelowAndClosedAbove) {
  // K equal logits give the confidence 1/K exactly: edges 3/15 (K = 5) and 5/15 (K = 3).
  EXPECT_EQ(only_bin(evaluate(5, std::vector<float>(5, 0.0F), {0})), 2);
  EXPECT_EQ(only_bin(evaluate(3, std::vector<float>(3, 0.0F), {0})), 4);
  EXPECT_EQ(only_bin(evaluate(15, std::vector<float>(15, 0.0F), {0})), 0);
  // Just above 1/3.
  EXPECT_EQ(only_bin(evaluate(3, {1e-4F, 0.0F, 0.0F}, {0})), 5);
}

TEST(ClassificationMeterTest, LossIsStableForHugeLogits) {
  const ClassificationResult r = evaluate(2, {3e38F, -3e38F, 1000.0F, 0.0F}, {0, 1});
  EXPECT_EQ(r.non_finite, 0);
  EXPECT_NEAR(r.loss, 500.0, 1e-6);
}

TEST(ClassificationMeterTest, NonFiniteRowsCountAsWrongAndStayOutOfTheRest) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  const ClassificationResult r = evaluate(2, {nan, 0, inf, 0, 0, -inf, 2, 0}, {0, 0, 1, 0});
  EXPECT_EQ(r.samples, 4);
  EXPECT_EQ(r.non_finite, 3);
  EXPECT_NEAR(r.top1, 0.25, kTight);
  EXPECT_NEAR(r.top5, 0.25, kTight);
  EXPECT_NEAR(r.loss, std::log1p(std::exp(-2.0)), 1e-7);
  EXPECT_EQ(r.classes[0].support, 3);
  EXPECT_EQ(r.confusion, (std::vector<std::int64_t>{1, 0, 0, 0}));
}

TEST(ClassificationMeterTest, AllRowsNonFiniteGivesNumbersNotNan) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const ClassificationResult r = evaluate(2, {nan, nan}, {1});
  EXPECT_EQ(r.loss, 0.0);
  EXPECT_EQ(r.calibration.ece, 0.0);
  EXPECT_EQ(r.non_finite, 1);
}

TEST(ClassificationMeterTest, EmptyMeterGivesZeroes) {
  const ClassificationResult r = ClassificationMeter(4).result();
  EXPECT_EQ(r.samples, 0);
  EXPECT_EQ(r.top1, 0.0);
  EXPECT_EQ(r.calibration.bins.size(), 15U);
}

TEST(ClassificationMeterTest, RefusesLabelsOutOfRangeAndStaysUnchanged) {
  ClassificationMeter meter(3);
  EXPECT_THROW(meter.add(std::vector<float>(6), std::vector<std::int64_t>{0, 3}), FormatError);
  EXPECT_THROW(meter.add(std::vector<float>(3), std::vector<std::int64_t>{-1}), FormatError);
  EXPECT_EQ(meter.result().samples, 0);
}

TEST(ClassificationMeterTest, RefusesSizesThatDoNotFit) {
  ClassificationMeter meter(3);
  EXPECT_THROW(meter.add(std::vector<float>(5), std::vector<std::int64_t>{0, 1}), ShapeError);
  EXPECT_THROW(meter.add(std::vector<float>(3), std::vector<std::int64_t>{0, 1}), ShapeError);
  EXPECT_THROW(ClassificationMeter(0), ConfigError);
}

TEST(ClassificationMeterTest, MergedWorkersEqualOneWorker) {
  Rng rng(7, RngPurpose::kTest);
  ClassificationMeter whole(10);
  ClassificationMeter first(10);
  ClassificationMeter second(10);
  for (int batch = 0; batch < 20; ++batch) {
    std::vector<float> logits(40);
    for (float& x : logits) x = static_cast<float>(rng.normal(0.0, 2.0));
    std::vector<std::int64_t> labels(4);
    for (std::int64_t& label : labels) label = rng.below(10);
    whole.add(logits, labels);
    (batch % 3 == 0 ? first : second).add(logits, labels);
  }
  first.merge(second);
  const ClassificationResult a = whole.result();
  const ClassificationResult b = first.result();
  EXPECT_EQ(a.confusion, b.confusion);
  EXPECT_EQ(a.top1, b.top1);
  EXPECT_EQ(a.top5, b.top5);
  EXPECT_NEAR(a.loss, b.loss, kTight);
  EXPECT_NEAR(a.calibration.ece, b.calibration.ece, kTight);
}

TEST(ClassificationMeterTest, SumsRestoreTheState) {
  ClassificationMeter meter(3);
  meter.add(std::vector<float>{1, 2, 3, 3, 2, 1}, std::vector<std::int64_t>{2, 1});
  ClassificationMeter copy(3);
  copy.set_sums(meter.sums());
  EXPECT_EQ(to_json(copy.result()), to_json(meter.result()));
  EXPECT_THROW(ClassificationMeter(4).set_sums(meter.sums()), ShapeError);
  EXPECT_THROW(ClassificationMeter(4).merge(meter), ShapeError);
}

TEST(ClassificationMeterTest, ManyClassesKeepScoresButNoConfusionMatrix) {
  const std::int64_t classes = kMaxConfusionClasses + 1;
  ClassificationMeter meter(classes);
  std::vector<float> logits(static_cast<std::size_t>(classes), 0.0F);
  logits.back() = 9.0F;
  meter.add(logits, std::vector<std::int64_t>{classes - 1});
  const ClassificationResult r = meter.result();
  EXPECT_FALSE(r.has_confusion());
  EXPECT_EQ(r.classes.back().correct, 1);
  EXPECT_TRUE(r.worst_pairs(5).empty());
}

}  // namespace
}  // namespace conopa::eval
