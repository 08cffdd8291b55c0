#include "conopa/core/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace conopa {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

class LogTest : public ::testing::Test {
 protected:
  void TearDown() override { set_log_sink({}); }
};

TEST_F(LogTest, SinkReceivesLevelAndFormattedLine) {
  std::vector<std::pair<LogLevel, std::string>> lines;
  set_log_sink([&](LogLevel level, std::string_view line) { lines.emplace_back(level, line); });
  log_debug("d {}", 1);
  log_info("i {}", 2);
  log_warning("w {:.1f}", 3.0);
  log_line(LogLevel::kError, "e {}");
  EXPECT_THAT(lines,
              ElementsAre(Pair(LogLevel::kDebug, "d 1"), Pair(LogLevel::kInfo, "i 2"),
                          Pair(LogLevel::kWarning, "w 3.0"), Pair(LogLevel::kError, "e {}")));
}

TEST_F(LogTest, IsSilentWithoutSink) {
  int calls = 0;
  set_log_sink([&](LogLevel, std::string_view) { ++calls; });
  set_log_sink({});
  log_info("nobody listens");
  EXPECT_EQ(calls, 0);
}

TEST_F(LogTest, SinkMayLogAndReplaceItself) {
  int calls = 0;
  set_log_sink([&](LogLevel, std::string_view) {
    ++calls;
    set_log_sink({});
    log_info("nested");
  });
  log_info("first");
  log_info("second");
  EXPECT_EQ(calls, 1);
}

TEST_F(LogTest, TakesLinesFromSeveralThreads) {
  std::atomic<int> calls{0};
  set_log_sink([&](LogLevel, std::string_view) { ++calls; });
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([] {
        for (int i = 0; i < 250; ++i) log_info("{}", i);
      });
    }
  }
  EXPECT_EQ(calls, 1000);
}

}  // namespace
}  // namespace conopa
