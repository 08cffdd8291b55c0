#include "conopa/core/work_team.h"

#include <gtest/gtest.h>

#include <chrono>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

namespace conopa {
namespace {

class WorkTeamTest : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Threads, WorkTeamTest, ::testing::Values(1, 2, 3, 9));

TEST_P(WorkTeamTest, RunsEveryPartOnce) {
  WorkTeam team(GetParam());
  EXPECT_EQ(team.size(), GetParam());
  for (int round = 0; round < 200; ++round) {
    std::vector<int> calls(static_cast<std::size_t>(team.size()), 0);
    team.run(team.size(), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) ++calls[static_cast<std::size_t>(i)];
    });
    EXPECT_EQ(calls, std::vector<int>(calls.size(), 1));
  }
}

TEST_P(WorkTeamTest, CarriesTheLoopsOfItsScope) {
  WorkTeam team(GetParam());
  const int outside = num_threads();
  const TeamScope scope(team);
  EXPECT_EQ(num_threads(), GetParam());
  std::vector<int> values(1000, 0);
  parallel_for(0, 1000, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) values[static_cast<std::size_t>(i)] += 1;
  });
  EXPECT_EQ(std::accumulate(values.begin(), values.end(), 0), 1000);
  std::thread other([outside] { EXPECT_EQ(num_threads(), outside); });
  other.join();
}

TEST_P(WorkTeamTest, RunsNestedLoopsSerially) {
  WorkTeam team(GetParam());
  const TeamScope scope(team);
  std::atomic<int> pieces{0};
  team.run(team.size(), [&](std::int64_t, std::int64_t) {
    parallel_for(0, 100, 1, [&](std::int64_t, std::int64_t) { ++pieces; });
  });
  EXPECT_EQ(pieces, team.size());
}

TEST_P(WorkTeamTest, RethrowsAndStaysUsable) {
  WorkTeam team(GetParam());
  const TeamScope scope(team);
  const auto fail = [](std::int64_t, std::int64_t) { throw std::runtime_error("from the body"); };
  EXPECT_THROW(parallel_for(0, 100, 1, fail), std::runtime_error);
  std::atomic<std::int64_t> covered{0};
  parallel_for(0, 100, 1, [&](std::int64_t begin, std::int64_t end) { covered += end - begin; });
  EXPECT_EQ(covered, 100);
}

TEST_P(WorkTeamTest, WakesAfterSleeping) {
  WorkTeam team(GetParam());
  std::atomic<int> calls{0};
  for (int round = 0; round < 3; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
    team.run(team.size(), [&](std::int64_t, std::int64_t) { ++calls; });
  }
  EXPECT_EQ(calls, 3 * team.size());
}

TEST(WorkTeamsTest, SeveralCallersDoNotMeet) {
  std::vector<std::jthread> callers;
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([] {
      WorkTeam team(2);
      const TeamScope scope(team);
      for (int round = 0; round < 100; ++round) {
        std::vector<int> values(64, 0);
        parallel_for(0, 64, 1, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i) values[static_cast<std::size_t>(i)] = 1;
        });
        ASSERT_EQ(std::accumulate(values.begin(), values.end(), 0), 64);
      }
    });
  }
}

}  // namespace
}  // namespace conopa
