#include "conopa/core/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>
#include <string>

namespace conopa {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

/// A progress display on a stream and clock of its own.
class ProgressTest : public ::testing::Test {
 protected:
  ProgressOptions plain() {
    ProgressOptions options;
    options.label = "train";
    options.now_s = [this] { return now_; };
    return options;
  }
  ProgressOptions terminal(int width = 120) {
    ProgressOptions options = plain();
    options.terminal = true;
    options.width = width;
    return options;
  }
  std::string take() {
    std::string text = out_.str();
    out_.str("");
    return text;
  }

  double now_ = 1000.0;
  std::ostringstream out_;
};

TEST_F(ProgressTest, PlainModeWritesOneLinePerIntervalAndOneAtTheEnd) {
  Progress progress(out_, 100, plain());
  for (int step = 1; step <= 25; ++step) {
    now_ += 1;
    progress.update(step);
  }
  EXPECT_EQ(take(),
            "train  10/100  10%  1 steps/s  0:10 ETA 1:30\n"
            "train  20/100  20%  1 steps/s  0:20 ETA 1:20\n");
  progress.finish();
  EXPECT_EQ(take(), "train  25/100  25%  1 steps/s  0:25\n");
  progress.finish();
  progress.update(30);
  EXPECT_EQ(take(), "");
}

TEST_F(ProgressTest, FieldsKeepTheirOrderAndTakeTheLatestValue) {
  Progress progress(out_, 10, plain());
  progress.set("loss", "0.5");
  progress.set("lr", "1e-3");
  progress.set("loss", "0.4");
  now_ += 4;
  progress.update(10);
  progress.finish();
  EXPECT_EQ(take(), "train  10/10  100%  2.50 steps/s  4.0s  loss 0.4  lr 1e-3\n");
}

TEST_F(ProgressTest, RateCountsUnits) {
  ProgressOptions options = plain();
  options.unit = "images";
  options.units_per_step = 64;
  Progress progress(out_, 10, options);
  now_ += 10;
  progress.update(5);
  EXPECT_DOUBLE_EQ(progress.rate(), 32.0);
  EXPECT_DOUBLE_EQ(progress.eta_s(), 10.0);
  EXPECT_THAT(take(), HasSubstr("32 images/s"));
}

TEST_F(ProgressTest, ResumedRunCountsOnlyItsOwnSteps) {
  ProgressOptions options = plain();
  options.first_step = 90;
  Progress progress(out_, 100, options);
  now_ += 10;
  progress.update(95);
  EXPECT_DOUBLE_EQ(progress.rate(), 0.5);
  EXPECT_DOUBLE_EQ(progress.eta_s(), 10.0);
  progress.finish();
  EXPECT_THAT(take(), HasSubstr("0.50 steps/s"));
}

TEST_F(ProgressTest, RateFollowsARecentChange) {
  Progress progress(out_, 100'000, plain());
  for (int step = 1; step <= 100; ++step) {
    now_ += 1;
    progress.update(step);
  }
  for (int step = 1; step <= 120; ++step) {
    now_ += 1;
    progress.update(100 + 10 * step);
  }
  EXPECT_GT(progress.rate(), 9.5);
  EXPECT_LT(progress.rate(), 10.0);
}

TEST_F(ProgressTest, UpdatesInTheSameInstantDoNotBreakTheRate) {
  Progress progress(out_, 100, plain());
  progress.update(1);
  EXPECT_EQ(progress.rate(), 0.0);
  EXPECT_LT(progress.eta_s(), 0.0);
  now_ += 2;
  progress.update(4);
  EXPECT_NEAR(progress.rate(), 2.0, 0.05);
  now_ -= 5;  // a clock that jumps back
  progress.update(5);
  EXPECT_GT(progress.rate(), 0.0);
}

TEST_F(ProgressTest, UnknownTotalHasNoPercentAndNoEta) {
  Progress progress(out_, 0, plain());
  now_ += 10;
  progress.update(5);
  EXPECT_EQ(take(), "train  5  0.50 steps/s  0:10\n");
}

TEST_F(ProgressTest, OneHundredPercentMeansDone) {
  Progress progress(out_, 1000, plain());
  now_ += 10;
  progress.update(999);
  EXPECT_THAT(take(), HasSubstr(" 99% "));
}

TEST_F(ProgressTest, TerminalRedrawsOneLine) {
  Progress progress(out_, 10, terminal());
  now_ += 2;
  progress.update(5);
  EXPECT_EQ(take(),
            "\r\x1b[K[===============>              ]  train  5/10  50%  2.50 steps/s  2.0s ETA "
            "2.0s");
  progress.update(6);  // too soon to redraw
  EXPECT_EQ(take(), "");
  now_ += 2;
  progress.update(10);
  EXPECT_THAT(take(), StartsWith("\r\x1b[K[==============================]"));
  progress.finish();
  EXPECT_THAT(take(), EndsWith("train  10/10  100%  2.50 steps/s  4.0s\n"));
}

TEST_F(ProgressTest, Utf8BarWithAndWithoutColour) {
  ProgressOptions options = terminal(72);
  options.utf8 = true;
  Progress progress(out_, 4, options);
  now_ += 2;
  progress.update(2);
  const std::string text = take();
  EXPECT_THAT(text, HasSubstr("━━━━"));
  EXPECT_THAT(text, HasSubstr("────"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b[3")));
  options.color = true;
  Progress colored(out_, 4, options);
  now_ += 2;
  colored.update(2);
  EXPECT_THAT(take(), HasSubstr("\x1b[36m━"));
}

TEST_F(ProgressTest, LineNeverFillsTheTerminal) {
  for (int width = 1; width < 130; ++width) {
    Progress progress(out_, 10, terminal(width));
    progress.set("note", "größer");
    now_ += 2;
    progress.update(5);
    std::string text = take().substr(4);  // without "\r\x1b[K"
    const auto columns = std::count_if(text.begin(), text.end(), [](char c) {
      return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
    });
    ASSERT_LE(columns, std::max(1, width - 1)) << text;
    progress.finish();
    take();
  }
}

TEST_F(ProgressTest, NarrowTerminalDropsTheBarAndThenTheEnd) {
  Progress progress(out_, 10, terminal(20));
  now_ += 2;
  progress.update(5);
  EXPECT_EQ(take(), "\r\x1b[Ktrain  5/10  50%  2");
}

TEST_F(ProgressTest, ClearMakesRoomForOtherText) {
  Progress progress(out_, 10, terminal());
  now_ += 2;
  progress.update(5);
  take();
  progress.clear();
  EXPECT_EQ(take(), "\r\x1b[K");
  progress.clear();
  EXPECT_EQ(take(), "");
  progress.update(5);
  EXPECT_THAT(take(), HasSubstr("5/10"));
}

TEST_F(ProgressTest, UnfinishedLineIsEndedByTheDestructor) {
  {
    Progress progress(out_, 10, terminal());
    now_ += 2;
    progress.update(5);
    take();
  }
  EXPECT_EQ(take(), "\n");
  { const Progress untouched(out_, 10, terminal()); }
  EXPECT_EQ(take(), "");
}

TEST_F(ProgressTest, StepBeyondTheTotalStaysAtOneHundredPercent) {
  Progress progress(out_, 10, terminal());
  now_ += 2;
  progress.update(12);
  EXPECT_THAT(take(), HasSubstr("12/10  100%"));
  EXPECT_EQ(progress.eta_s(), 0.0);
}

TEST_F(ProgressTest, WorksWithTheSystemClock) {
  ProgressOptions options;
  Progress progress(out_, 2, options);
  progress.update(2);
  progress.finish();
  EXPECT_THAT(take(), StartsWith("2/2  100%"));
}

TEST(DetectProgressTest, PipeIsNoTerminalAndLocaleDecidesTheBar) {
  setenv("LC_ALL", "de_DE.UTF-8", 1);
  EXPECT_TRUE(detect_progress(-1).utf8);
  setenv("LC_ALL", "C", 1);
  EXPECT_FALSE(detect_progress(-1).utf8);
  EXPECT_FALSE(detect_progress(-1).terminal);
  EXPECT_FALSE(detect_progress(-1).color);
  EXPECT_EQ(detect_progress(-1).width, 80);
  unsetenv("LC_ALL");
}

}  // namespace
}  // namespace conopa
