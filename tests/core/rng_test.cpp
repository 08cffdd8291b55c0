#include "conopa/core/rng.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <set>

namespace conopa {
namespace {

using ::testing::ElementsAre;

constexpr int kDraws = 40'000;

Rng test_rng(std::uint64_t seed = 1) { return Rng(seed, RngPurpose::kTest); }

struct Moments {
  double mean;
  double variance;
};
Moments moments(const std::function<double()>& draw) {
  double sum = 0;
  double squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double x = draw();
    sum += x;
    squares += x * x;
  }
  const double mean = sum / kDraws;
  return {mean, squares / kDraws - mean * mean};
}

// Known-answer vectors published with Random123.
TEST(PhiloxTest, MatchesPublishedVectors) {
  EXPECT_THAT(philox4x32_10({0, 0, 0, 0}, {0, 0}),
              ElementsAre(0x6627e8d5U, 0xe169c58dU, 0xbc57ac4cU, 0x9b00dbd8U));
  constexpr std::uint32_t kOnes = 0xffffffffU;
  EXPECT_THAT(philox4x32_10({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
              ElementsAre(0x408f276dU, 0x41c83b0eU, 0xa20bc7c6U, 0x6d5451fdU));
  EXPECT_THAT(philox4x32_10({0x243f6a88U, 0x85a308d3U, 0x13198a2eU, 0x03707344U},
                            {0xa4093822U, 0x299f31d0U}),
              ElementsAre(0xd16cfe09U, 0x94fdccebU, 0x5001e420U, 0x24126ea1U));
}

TEST(RngTest, StreamIsTheBlocksOfItsCounter) {
  Rng rng = test_rng();
  Rng::State state = rng.state();
  for (int block = 0; block < 3; ++block) {
    for (const std::uint32_t word : philox4x32_10(state.counter, state.key)) {
      EXPECT_EQ(rng.next_u32(), word);
    }
    ++state.counter[0];
  }
}

TEST(RngTest, EveryPartOfTheKeyChangesTheStream) {
  std::set<std::uint64_t> first;
  for (const std::uint64_t seed : {0U, 1U}) {
    for (const RngPurpose purpose : {RngPurpose::kInit, RngPurpose::kAugment}) {
      for (const std::uint64_t epoch : {0U, 1U}) {
        for (const std::uint64_t index :
             {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 32}) {
          first.insert(Rng(seed, purpose, epoch, index).next_u64());
        }
      }
    }
  }
  EXPECT_EQ(first.size(), 24U);
}

TEST(RngTest, SameKeySameStream) {
  Rng a(7, RngPurpose::kMask, 3, 9);
  Rng b(7, RngPurpose::kMask, 3, 9);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(a.next_u64(), b.next_u64());
}

// "Same seed, same bytes" is a promise to users: these values must never change.
TEST(RngTest, FirstDrawsAreFrozen) {
  Rng rng(42, RngPurpose::kShuffle, 2, 5);
  EXPECT_EQ(rng.next_u64(), 5900575529539091042U);
  EXPECT_EQ(rng.permutation(8), (std::vector<std::int64_t>{3, 5, 0, 6, 4, 1, 2, 7}));
}

TEST(RngTest, RestoredStateContinuesAnywhereInsideABlock) {
  for (int skip = 0; skip < 9; ++skip) {
    Rng rng = test_rng();
    for (int i = 0; i < skip; ++i) (void)rng.next_u32();
    Rng restored(rng.state());
    EXPECT_EQ(restored.state(), rng.state());
    for (int i = 0; i < 9; ++i) ASSERT_EQ(restored.next_u32(), rng.next_u32()) << skip;
  }
}

TEST(RngTest, RestoredStateContinuesWhereTheCounterWraps) {
  Rng::State state;
  state.counter[0] = 0xffffffffU;
  Rng rng(state);
  (void)rng.next_u32();
  Rng restored(rng.state());
  for (int i = 0; i < 9; ++i) ASSERT_EQ(restored.next_u32(), rng.next_u32());
}

TEST(RngTest, DamagedStateStartsANewBlock) {
  Rng::State state;
  state.used = 77;
  Rng rng(state);
  EXPECT_EQ(rng.next_u32(), 0x6627e8d5U);
}

// Moments are compared at about five standard errors of the sample.
TEST(RngTest, UniformHasItsMomentsAndRange) {
  Rng rng = test_rng();
  const Moments m = moments([&] {
    const double x = rng.uniform();
    EXPECT_TRUE(x >= 0.0 && x < 1.0);
    return x;
  });
  EXPECT_NEAR(m.mean, 0.5, 0.0075);
  EXPECT_NEAR(m.variance, 1.0 / 12, 0.002);
  for (int i = 0; i < 1000; ++i) {
    const double x = rng.uniform(-2.0, 3.0);
    EXPECT_TRUE(x >= -2.0 && x < 3.0);
  }
}

TEST(RngTest, NormalHasItsMoments) {
  Rng rng = test_rng();
  const Moments m = moments([&] { return rng.normal(2.0, 3.0); });
  EXPECT_NEAR(m.mean, 2.0, 0.075);
  EXPECT_NEAR(m.variance, 9.0, 0.35);
}

TEST(RngTest, BernoulliHasItsMean) {
  Rng rng = test_rng();
  EXPECT_NEAR(moments([&] { return rng.bernoulli(0.3) ? 1.0 : 0.0; }).mean, 0.3, 0.012);
  EXPECT_FALSE(rng.bernoulli(0.0));
  EXPECT_TRUE(rng.bernoulli(1.0));
}

TEST(RngTest, GammaHasItsMomentsAboveAndBelowOne) {
  for (const double shape : {0.3, 1.0, 4.5}) {
    Rng rng = test_rng();
    const Moments m = moments([&] { return rng.gamma(shape); });
    EXPECT_NEAR(m.mean, shape, 5 * std::sqrt(shape / kDraws)) << shape;
    EXPECT_NEAR(m.variance, shape, 0.1 * shape + 0.02) << shape;
  }
}

TEST(RngTest, BetaHasItsMomentsAndRange) {
  Rng rng = test_rng();
  const Moments m = moments([&] {
    const double x = rng.beta(2.0, 5.0);
    EXPECT_TRUE(x >= 0.0 && x <= 1.0);
    return x;
  });
  EXPECT_NEAR(m.mean, 2.0 / 7, 0.004);
  EXPECT_NEAR(m.variance, 10.0 / (49 * 8), 0.0015);
}

TEST(RngTest, BetaWithTinyParametersStaysFinite) {
  Rng rng = test_rng();
  for (int i = 0; i < 1000; ++i) {
    const double x = rng.beta(1e-4, 1e-4);
    ASSERT_TRUE(x >= 0.0 && x <= 1.0);
  }
}

TEST(RngTest, BelowIsUniformOverItsRange) {
  Rng rng = test_rng();
  std::vector<int> hits(7);
  for (int i = 0; i < kDraws; ++i) ++hits[static_cast<std::size_t>(rng.below(7))];
  for (const int count : hits) EXPECT_NEAR(count, kDraws / 7.0, 370);  // 5 standard deviations
  EXPECT_EQ(rng.below(1), 0);
  EXPECT_GE(rng.below(INT64_MAX), 0);
  EXPECT_THROW((void)rng.below(0), std::logic_error);
}

TEST(RngTest, PermutationHoldsEachIndexOnce) {
  Rng rng = test_rng();
  std::vector<std::int64_t> order = rng.permutation(1000);
  std::vector<std::int64_t> sorted(1000);
  std::iota(sorted.begin(), sorted.end(), 0);
  EXPECT_NE(order, sorted);
  std::sort(order.begin(), order.end());
  EXPECT_EQ(order, sorted);
  EXPECT_TRUE(rng.permutation(0).empty());
  EXPECT_THROW((void)rng.permutation(-1), std::logic_error);
}

TEST(RngTest, PermutationsOfThreeAreEquallyLikely) {
  Rng rng = test_rng();
  std::vector<int> hits(27);
  for (int i = 0; i < 12'000; ++i) {
    const std::vector<std::int64_t> p = rng.permutation(3);
    ++hits[static_cast<std::size_t>(9 * p[0] + 3 * p[1] + p[2])];
  }
  EXPECT_EQ(std::count_if(hits.begin(), hits.end(), [](int n) { return n > 0; }), 6);
  for (const int n : hits) EXPECT_TRUE(n == 0 || std::abs(n - 2000) < 205) << n;
}

}  // namespace
}  // namespace conopa
