#include "conopa/data/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "conopa/core/error.h"

namespace conopa::data {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

std::vector<std::int64_t> listed(const EpochOrder& order) {
  std::vector<std::int64_t> out;
  for (std::int64_t i = 0; i < order.size(); ++i) out.push_back(order[i]);
  return out;
}

std::vector<std::int64_t> all_ranks(SamplerOptions options, std::int64_t size, std::int64_t world) {
  std::vector<std::int64_t> out;
  options.world_size = world;
  for (options.rank = 0; options.rank < world; ++options.rank) {
    const auto part = listed(Sampler(options, size).order(0));
    out.insert(out.end(), part.begin(), part.end());
  }
  std::sort(out.begin(), out.end());
  return out;
}

TEST(SamplerTest, SequentialVisitsInOrder) {
  const Sampler sampler({.order = SampleOrder::kSequential}, 4);
  EXPECT_THAT(listed(sampler.order(3)), ElementsAre(0, 1, 2, 3));
}

TEST(SamplerTest, ShuffledVisitsEverySampleOnce) {
  auto order = listed(Sampler({}, 100).order(0));
  EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
  std::sort(order.begin(), order.end());
  for (std::int64_t i = 0; i < 100; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

TEST(SamplerTest, OrderIsAFunctionOfSeedAndEpoch) {
  const Sampler a({.seed = 5}, 50);
  const Sampler b({.seed = 5}, 50);
  (void)b.order(0);  // what was drawn before must not matter
  EXPECT_EQ(listed(a.order(7)), listed(b.order(7)));
  EXPECT_NE(listed(a.order(7)), listed(a.order(8)));
  EXPECT_NE(listed(a.order(7)), listed(Sampler({.seed = 6}, 50).order(7)));
}

TEST(SamplerTest, PaddedShardsAreEquallyLongAndWrapAround) {
  const SamplerOptions options{.order = SampleOrder::kSequential, .tail = ShardTail::kPad};
  EXPECT_THAT(all_ranks(options, 5, 3), ElementsAre(0, 0, 1, 2, 3, 4));
}

TEST(SamplerTest, DroppedShardsLeaveOutTheTail) {
  const SamplerOptions options{.order = SampleOrder::kSequential, .tail = ShardTail::kDrop};
  EXPECT_THAT(all_ranks(options, 5, 2), ElementsAre(0, 1, 2, 3));
}

TEST(SamplerTest, UnevenShardsVisitEverySampleExactlyOnce) {
  const SamplerOptions options{.order = SampleOrder::kShuffled, .tail = ShardTail::kUneven};
  EXPECT_THAT(all_ranks(options, 5, 3), ElementsAre(0, 1, 2, 3, 4));
}

TEST(SamplerTest, PaddingWorksWithMoreRanksThanSamples) {
  const SamplerOptions options{.order = SampleOrder::kSequential, .tail = ShardTail::kPad};
  EXPECT_THAT(all_ranks(options, 2, 5), ElementsAre(0, 0, 0, 1, 1));
}

TEST(SamplerTest, RanksInterleaveOneCommonOrder) {
  const auto whole = listed(Sampler({.seed = 1}, 8).order(2));
  const Sampler second({.seed = 1, .rank = 1, .world_size = 2}, 8);
  const EpochOrder order = second.order(2);
  for (std::int64_t i = 0; i < 4; ++i) {
    EXPECT_EQ(order[i], whole[static_cast<std::size_t>(2 * i + 1)]);
    EXPECT_EQ(order.global(i), 2 * i + 1);
  }
}

TEST(SamplerTest, RepeatedGivesEverySampleSeveralTimesInARow) {
  const Sampler sampler({.order = SampleOrder::kRepeated, .repeats = 3}, 512);
  EXPECT_EQ(sampler.epoch_size(), 512);
  const auto order = listed(sampler.order(0));
  for (std::size_t i = 0; i < order.size(); ++i) EXPECT_EQ(order[i], order[i - i % 3]);
  EXPECT_EQ(std::set(order.begin(), order.end()).size(), 171U);  // ceil(512 / 3)
}

TEST(SamplerTest, RepeatedRoundsTheEpochDownAndDealsCopiesToDifferentRanks) {
  SamplerOptions options{.order = SampleOrder::kRepeated, .repeats = 3, .world_size = 3};
  std::vector<std::vector<std::int64_t>> ranks;
  for (options.rank = 0; options.rank < 3; ++options.rank) {
    const Sampler sampler(options, 1000);
    EXPECT_EQ(sampler.epoch_size(), 768 / 3);  // 1000 rounded down to a multiple of 256
    ranks.push_back(listed(sampler.order(4)));
  }
  EXPECT_EQ(ranks[0], ranks[1]);
  EXPECT_EQ(ranks[0], ranks[2]);
}

TEST(SamplerTest, RepeatedDoesNotRoundSmallDatasetsToNothing) {
  EXPECT_EQ(Sampler({.order = SampleOrder::kRepeated}, 10).epoch_size(), 10);
}

TEST(SamplerTest, BalancedVisitsClassesEquallyOften) {
  std::vector<std::int64_t> labels(90, 0);
  labels.resize(99, 1);
  labels.resize(100, 4);  // classes 2 and 3 have no samples
  const Sampler sampler({.order = SampleOrder::kBalanced}, labels);
  std::map<std::int64_t, int> counts;
  for (const std::int64_t index : listed(sampler.order(0))) {
    ++counts[labels[static_cast<std::size_t>(index)]];
  }
  ASSERT_EQ(counts.size(), 3U);
  for (const auto& [label, count] : counts) EXPECT_NEAR(count, 33, 1) << label;
  EXPECT_NE(listed(sampler.order(0)), listed(sampler.order(1)));
}

TEST(SamplerTest, BalancedUsesEverySampleOfAClassBeforeRepeatingOne) {
  std::vector<std::int64_t> labels(30, 0);
  labels.resize(40, 1);  // 20 draws from 10 samples: each twice
  const Sampler sampler({.order = SampleOrder::kBalanced}, labels);
  std::map<std::int64_t, int> counts;
  for (const std::int64_t index : listed(sampler.order(0))) {
    if (index >= 30) ++counts[index];
  }
  std::vector<int> times;
  for (const auto& [index, count] : counts) times.push_back(count);
  EXPECT_EQ(times.size(), 10U);
  EXPECT_THAT(times, Each(2));
}

TEST(SamplerTest, RefusesBadOptions) {
  EXPECT_THROW(Sampler({.rank = 2, .world_size = 2}, 5), ConfigError);
  EXPECT_THROW(Sampler({.repeats = 0}, 5), ConfigError);
  EXPECT_THROW(Sampler({}, 0), ConfigError);
  EXPECT_THROW(Sampler({.order = SampleOrder::kBalanced}, 5), ConfigError);
}

TEST(BatchCountTest, CountsTheIncompleteBatchUnlessDropped) {
  EXPECT_EQ(batch_count(10, 4, false), 3);
  EXPECT_EQ(batch_count(10, 4, true), 2);
  EXPECT_EQ(batch_count(8, 4, false), 2);
}

}  // namespace
}  // namespace conopa::data
