#include "conopa/core/signal.h"

#include <gtest/gtest.h>

#include <csignal>
#include <stdexcept>

namespace conopa {
namespace {

volatile std::sig_atomic_t former_calls = 0;
void former_handler(int) { former_calls = former_calls + 1; }

class StopRequestTest : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Signals, StopRequestTest, ::testing::Values(SIGINT, SIGTERM, SIGUSR1));

TEST_P(StopRequestTest, SignalSetsTheFlag) {
  const StopRequest stop;
  EXPECT_FALSE(stop.requested());
  EXPECT_EQ(stop.signal_number(), 0);
  std::raise(GetParam());
  EXPECT_TRUE(stop.requested());
  EXPECT_EQ(stop.signal_number(), GetParam());
}

TEST_P(StopRequestTest, NewRequestStartsClear) {
  {
    const StopRequest stop;
    std::raise(GetParam());
  }
  EXPECT_FALSE(StopRequest().requested());
}

TEST_P(StopRequestTest, FormerHandlerComesBack) {
  auto* original = std::signal(GetParam(), former_handler);
  former_calls = 0;
  {
    const StopRequest stop;
    std::raise(GetParam());
    EXPECT_EQ(former_calls, 0);
  }
  std::raise(GetParam());
  EXPECT_EQ(former_calls, 1);
  std::signal(GetParam(), original);
}

TEST(StopRequestDeathTest, SecondInterruptEndsTheProcessWith130) {
  EXPECT_EXIT(
      {
        const StopRequest stop;
        std::raise(SIGTERM);
        std::raise(SIGINT);
      },
      ::testing::ExitedWithCode(130), "");
}

TEST(StopRequestOnceTest, UserSignalsNeverEndTheProcess) {
  const StopRequest stop;
  for (int i = 0; i < 3; ++i) std::raise(SIGUSR1);
  std::raise(SIGINT);  // the first that could end it at a second arrival
  EXPECT_EQ(stop.signal_number(), SIGUSR1);
}

TEST(StopRequestOnceTest, CanBeAskedWithoutASignal) {
  StopRequest stop;
  stop.request();
  EXPECT_TRUE(stop.requested());
  EXPECT_EQ(stop.signal_number(), 0);
}

TEST(StopRequestOnceTest, OnlyOneMayBeAlive) {
  const StopRequest stop;
  EXPECT_THROW(StopRequest(), std::logic_error);
  std::raise(SIGUSR1);
  EXPECT_TRUE(stop.requested());
}

}  // namespace
}  // namespace conopa
