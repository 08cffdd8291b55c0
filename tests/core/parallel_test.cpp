#include "conopa/core/parallel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

namespace conopa {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;
using Ranges = std::vector<std::pair<std::int64_t, std::int64_t>>;

class ParallelForTest : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    former_ = num_threads();
    set_num_threads(GetParam());
  }
  void TearDown() override { set_num_threads(former_); }

  static Ranges ranges_of(std::int64_t begin, std::int64_t end, std::int64_t grain) {
    std::mutex mutex;
    Ranges ranges;
    parallel_for(begin, end, grain, [&](std::int64_t from, std::int64_t to) {
      const std::lock_guard lock(mutex);
      ranges.emplace_back(from, to);
    });
    std::sort(ranges.begin(), ranges.end());
    return ranges;
  }

  int former_ = 1;
};
INSTANTIATE_TEST_SUITE_P(Threads, ParallelForTest, ::testing::Values(1, 2, 3, 8));

TEST_P(ParallelForTest, RangesCoverEverythingOnceInPiecesOfAtLeastTheGrain) {
  for (const std::int64_t count : {1, 2, 7, 64, 1000}) {
    for (const std::int64_t grain : {0, 1, 3, 100, 5000}) {
      const Ranges ranges = ranges_of(-5, count - 5, grain);
      ASSERT_FALSE(ranges.empty());
      EXPECT_LE(static_cast<int>(ranges.size()), num_threads());
      std::int64_t at = -5;
      for (const auto& [from, to] : ranges) {
        ASSERT_EQ(from, at);
        ASSERT_GE(to - from, std::min(std::max<std::int64_t>(grain, 1), count));
        at = to;
      }
      ASSERT_EQ(at, count - 5);
    }
  }
}

TEST_P(ParallelForTest, EmptyRangeCallsNothing) {
  EXPECT_TRUE(ranges_of(3, 3, 1).empty());
  EXPECT_TRUE(ranges_of(3, 2, 1).empty());
}

TEST_P(ParallelForTest, SplitRepeats) { EXPECT_EQ(ranges_of(0, 97, 1), ranges_of(0, 97, 1)); }

TEST_P(ParallelForTest, RethrowsAnException) {
  const auto fail = [](std::int64_t, std::int64_t) { throw std::runtime_error("from the body"); };
  EXPECT_THROW(parallel_for(0, 100, 1, fail), std::runtime_error);
  EXPECT_EQ(ranges_of(0, 10, 100), (Ranges{{0, 10}}));  // still usable
}

TEST_P(ParallelForTest, NestedCallIsOneSerialRange) {
  std::atomic<int> wrong{0};
  std::atomic<std::int64_t> covered{0};
  parallel_for(0, 8, 1, [&](std::int64_t from, std::int64_t to) {
    if (num_threads() > 1 && to - from == 8) return;  // the team did not split: nothing is nested
    int calls = 0;
    parallel_for(0, 100, 1, [&](std::int64_t a, std::int64_t b) {
      ++calls;
      covered += b - a;
    });
    if (calls != 1) ++wrong;
  });
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(covered % 100, 0);
}

TEST(NumThreadsTest, IsAtLeastOneAndPerThread) {
  const int former = num_threads();
  set_num_threads(-3);
  EXPECT_EQ(num_threads(), 1);
  set_num_threads(former);
  EXPECT_EQ(num_threads(), former);
}

}  // namespace
}  // namespace conopa
