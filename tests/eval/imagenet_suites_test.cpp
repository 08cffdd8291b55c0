#include "conopa/eval/imagenet_suites.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <numeric>

#include "conopa/core/error.h"

namespace conopa::eval {
namespace {

TEST(ImageNetSubsetsTest, ClassesAscendWithinTheThousand) {
  for (const auto& classes : {imagenet_a_classes(), imagenet_r_classes()}) {
    EXPECT_TRUE(std::ranges::is_sorted(classes, std::less_equal<>()));  // strictly
    EXPECT_GE(classes.front(), 0);
    EXPECT_LT(classes.back(), 1000);
  }
}

TEST(ImageNetSubsetsTest, HoldTheKnownClasses) {
  // Sums over the published lists, and a few places.
  const auto a = imagenet_a_classes();
  const auto r = imagenet_r_classes();
  EXPECT_EQ(std::accumulate(a.begin(), a.end(), 0), 102178);
  EXPECT_EQ(std::accumulate(r.begin(), r.end(), 0), 86135);
  EXPECT_EQ(a[0], 6);  // stingray
  EXPECT_EQ(r[0], 1);  // goldfish
  EXPECT_EQ(a[199], 988);
}

TEST(RestrictedTest, KeepsTheChosenColumns) {
  const std::vector<float> logits{0, 1, 2, 3, 10, 11, 12, 13};
  const std::vector<std::int16_t> classes{3, 1};
  EXPECT_EQ(restricted(logits, 4, classes), (std::vector<float>{3, 1, 13, 11}));
  EXPECT_THROW((void)restricted(logits, 3, classes), ShapeError);
  EXPECT_THROW((void)restricted(logits, 2, classes), ShapeError);
  EXPECT_THROW((void)restricted(logits, 4, {}), ShapeError);
}

TEST(CorruptionScoresTest, AlexNetItselfHasAnMceOfOne) {
  CorruptionScores scores;
  double sum = 0.0;
  for (const Corruption& corruption : imagenet_corruptions()) {
    for (std::int64_t severity = 1; severity <= kSeverities; ++severity) {
      // The mean over severities is AlexNet's; single severities differ.
      const double shift = 0.01 * static_cast<double>(severity - 3);
      scores.add(corruption.name, severity, 1.0 - corruption.alexnet_error + shift);
    }
    sum += 1.0 - corruption.alexnet_error;
  }
  ASSERT_TRUE(scores.mce());
  EXPECT_NEAR(*scores.mce(), 1.0, 1e-12);
  EXPECT_NEAR(*scores.mean_accuracy(), sum / 15, 1e-12);
  EXPECT_NEAR(*scores.mean_accuracy(), 0.2110, 5e-4);  // 78.9 % error
}

TEST(CorruptionScoresTest, WeighsErrorsByAlexNet) {
  CorruptionScores perfect_but_for_one;
  for (const Corruption& corruption : imagenet_corruptions()) {
    for (std::int64_t severity = 1; severity <= kSeverities; ++severity) {
      perfect_but_for_one.add(corruption.name, severity, corruption.name == "fog" ? 0.5 : 1.0);
    }
  }
  EXPECT_NEAR(*perfect_but_for_one.mce(), 0.5 / 0.819324 / 15, 1e-12);
}

TEST(CorruptionScoresTest, SaysNothingWhileOneIsMissing) {
  CorruptionScores scores;
  for (std::int64_t severity = 1; severity <= kSeverities; ++severity) {
    EXPECT_FALSE(scores.accuracy(0));
    scores.add("gaussian_noise", severity, 0.2 * static_cast<double>(severity) - 0.2);
  }
  EXPECT_NEAR(*scores.accuracy(0), 0.4, 1e-12);
  EXPECT_FALSE(scores.mean_accuracy());
  EXPECT_FALSE(scores.mce());
}

TEST(CorruptionScoresTest, RefusesOtherNamesSeveritiesAndShares) {
  CorruptionScores scores;
  EXPECT_THROW(scores.add("saturate", 1, 0.5), ConfigError);
  EXPECT_THROW(scores.add("fog", 0, 0.5), ConfigError);
  EXPECT_THROW(scores.add("fog", 6, 0.5), ConfigError);
  EXPECT_THROW(scores.add("fog", 1, 50.0), ConfigError);
}

}  // namespace
}  // namespace conopa::eval
