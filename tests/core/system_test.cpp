#include "conopa/core/system.h"

#include <gtest/gtest.h>
#include <time.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <thread>
#include <vector>

namespace conopa {
namespace {

TEST(SystemTest, PeakMemoryGrowsWithUse) {
  const std::int64_t before = peak_rss_bytes();
  EXPECT_GT(before, 1 << 20);
  const std::vector<char> block(static_cast<std::size_t>(before) + (64U << 20), 'x');
  EXPECT_GE(peak_rss_bytes(), before + (32 << 20)) << block.size();
}

TEST(SystemTest, ProcessorTimeAddsUpThreadsAndIgnoresSleep) {
  const double before = processor_seconds();
  const auto work = [] {  // 20 ms of the processor's time, however busy the machine is
    timespec now{};
    do {
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    } while (now.tv_sec == 0 && now.tv_nsec < 20'000'000);
  };
  {
    const std::jthread one(work);
    const std::jthread other(work);
  }
  const double worked = processor_seconds() - before;
  EXPECT_GE(worked, 0.04);
  const double between = processor_seconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_LT(processor_seconds() - between, 0.04);
}

TEST(SystemTest, ClosedDescriptorIsNoTerminal) {
  EXPECT_FALSE(is_terminal(-1));
  EXPECT_EQ(terminal_width(-1), 80);
}

TEST(SystemTest, CpuHasAName) { EXPECT_FALSE(cpu_model_name().empty()); }

TEST(FormatTest, Durations) {
  EXPECT_EQ(format_duration(0), "0.00s");
  EXPECT_EQ(format_duration(0.25), "0.25s");
  EXPECT_EQ(format_duration(0.999), "1.0s");
  EXPECT_EQ(format_duration(9.94), "9.9s");
  EXPECT_EQ(format_duration(9.96), "0:10");
  EXPECT_EQ(format_duration(59.6), "1:00");
  EXPECT_EQ(format_duration(185), "3:05");
  EXPECT_EQ(format_duration(7384), "2:03:04");
  EXPECT_EQ(format_duration(93784), "1d 02:03:04");
  EXPECT_EQ(format_duration(-1), "?");
  EXPECT_EQ(format_duration(std::nan("")), "?");
  EXPECT_EQ(format_duration(HUGE_VAL), "?");
}

TEST(FormatTest, Bytes) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1536), "1.5 KiB");
  EXPECT_EQ(format_bytes((1 << 20) - 1), "1.0 MiB");
  EXPECT_EQ(format_bytes(std::int64_t{13} << 30), "13.0 GiB");
  EXPECT_EQ(format_bytes(std::numeric_limits<std::int64_t>::max()), "8.0 EiB");
  EXPECT_EQ(format_bytes(-2048), "-2.0 KiB");
}

TEST(FormatTest, Counts) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(7), "7");
  EXPECT_EQ(format_count(2.5), "2.50");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(999.7), "1.00k");
  EXPECT_EQ(format_count(12345), "12.3k");
  EXPECT_EQ(format_count(5'717'416), "5.72M");
  EXPECT_EQ(format_count(99'960'000), "100M");
  EXPECT_EQ(format_count(6.74e9), "6.74G");
  EXPECT_EQ(format_count(-1500), "-1.50k");
  EXPECT_EQ(format_count(std::nan("")), "?");
}

}  // namespace
}  // namespace conopa
