#include "conopa/eval/classification.h"

#include <gtest/gtest.h>

namespace conopa::eval {
namespace {

/// Rows: class 0: 8 right, 2 as class 1; class 1: 5 right, 5 as class 0; class 2 never occurs.
ClassificationResult example() {
  ClassificationResult r;
  r.num_classes = 3;
  r.samples = 20;
  r.classes = {{10, 13, 8}, {10, 7, 5}, {0, 0, 0}};
  r.confusion = {8, 2, 0, 5, 5, 0, 0, 0, 0};
  return r;
}

TEST(ClassScoresTest, MatchesHandComputedValues) {
  const ClassScores scores{.support = 10, .predicted = 13, .correct = 8};
  EXPECT_DOUBLE_EQ(scores.recall().value(), 0.8);
  EXPECT_DOUBLE_EQ(scores.precision().value(), 8.0 / 13.0);
  EXPECT_DOUBLE_EQ(scores.f1().value(), 16.0 / 23.0);
}

TEST(ClassScoresTest, UndefinedScoresAreAbsent) {
  const ClassScores never{};
  EXPECT_FALSE(never.recall());
  EXPECT_FALSE(never.precision());
  EXPECT_FALSE(never.f1());
  const ClassScores missed{.support = 3, .predicted = 0, .correct = 0};
  EXPECT_EQ(missed.recall().value(), 0.0);
  EXPECT_FALSE(missed.precision());
  EXPECT_EQ(missed.f1().value(), 0.0);
}

TEST(ClassificationResultTest, MeansSkipClassesThatNeverOccur) {
  EXPECT_DOUBLE_EQ(example().balanced_accuracy(), 0.65);
  EXPECT_DOUBLE_EQ(example().macro_f1(), (16.0 / 23.0 + 10.0 / 17.0) / 2.0);
}

TEST(ClassificationResultTest, WorstPairsComeMostFrequentFirst) {
  const std::vector<ConfusedPair> pairs = example().worst_pairs(10);
  ASSERT_EQ(pairs.size(), 2U);
  EXPECT_EQ(pairs[0].truth, 1);
  EXPECT_EQ(pairs[0].predicted, 0);
  EXPECT_EQ(pairs[0].count, 5);
  EXPECT_DOUBLE_EQ(pairs[0].share, 0.5);
  EXPECT_EQ(pairs[1].count, 2);
  EXPECT_EQ(example().worst_pairs(1).size(), 1U);
}

}  // namespace
}  // namespace conopa::eval
