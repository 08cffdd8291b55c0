#include "conopa/report/metrics_log.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <fstream>
#include <limits>

#include "conopa/core/error.h"
#include "conopa/io/mapped_file.h"

namespace conopa::report {
namespace {

/// A file name of its own for each test, without an old file.
class MetricsLogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = std::filesystem::path(::testing::TempDir()) /
            (std::string("conopa_") +
             ::testing::UnitTest::GetInstance()->current_test_info()->name() + ".jsonl");
    std::filesystem::remove(path_);
  }
  void TearDown() override { std::filesystem::remove(path_); }

  void write(std::string_view text) { std::ofstream(path_, std::ios::binary) << text; }

  std::filesystem::path path_;
};

MetricEvent event(std::int64_t step, double loss) {
  return {step, step / 10, 100.5, "train", {{"loss", loss}}};
}

TEST_F(MetricsLogTest, LineHasFixedFieldsFirst) {
  EXPECT_EQ(to_json_line({20, 1, 3.5, "train", {{"loss", 0.5}, {"lr", 1e-3}}}),
            R"({"step":20,"epoch":1,"wall_time":3.5,"split":"train","loss":0.5,"lr":0.001})");
}

TEST_F(MetricsLogTest, RoundTripKeepsEveryBit) {
  const MetricEvent original{7,
                             0,
                             1.7e9 + 0.123456,
                             "eval",
                             {{"a", 0.1 + 0.2}, {"b", 5e-324}, {"c", -1.7976931348623157e308}}};
  EXPECT_EQ(parse_metrics(to_json_line(original) + "\n"), std::vector{original});
}

TEST_F(MetricsLogTest, NonFiniteValuesSurvive) {
  MetricEvent original = event(1, std::numeric_limits<double>::infinity());
  original.values.emplace_back("grad_norm", std::nan(""));
  original.values.emplace_back("low", -std::numeric_limits<double>::infinity());
  const MetricEvent read = parse_metrics(to_json_line(original)).at(0);
  EXPECT_EQ(read.values[0].second, std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(read.values[1].second));
  EXPECT_EQ(read.values[2].second, -std::numeric_limits<double>::infinity());
}

TEST_F(MetricsLogTest, FixedFieldNamesAreRefused) {
  EXPECT_THROW((void)to_json_line({0, 0, 0, "", {{"epoch", 1.0}}}), ConfigError);
}

TEST_F(MetricsLogTest, AppendedEventsAreOnDiskAtOnce) {
  MetricsLog log(path_);
  log.append(event(1, 2.5));
  EXPECT_EQ(read_metrics(path_), std::vector{event(1, 2.5)});
  log.append(event(2, 2.25));
  EXPECT_EQ(read_metrics(path_).size(), 2U);
}

TEST_F(MetricsLogTest, EveryTruncationOfTheLastLineIsTolerated) {
  const std::string first = to_json_line(event(1, 2.5)) + "\n";
  const std::string last = to_json_line(event(2, 2.25));
  for (std::size_t kept = 0; kept < last.size(); ++kept) {
    EXPECT_EQ(parse_metrics(first + last.substr(0, kept)), std::vector{event(1, 2.5)}) << kept;
  }
  EXPECT_EQ(parse_metrics(first + last).size(), 2U);
}

TEST_F(MetricsLogTest, ContinuingRemovesTheTornLine) {
  const std::string first = to_json_line(event(1, 2.5)) + "\n";
  write(first + R"({"step":2,"epo)");
  MetricsLog(path_).append(event(3, 1.0));
  EXPECT_EQ(read_text_file(path_), first + to_json_line(event(3, 1.0)) + "\n");
}

TEST_F(MetricsLogTest, ContinuingEndsALineThatLacksItsNewline) {
  write(to_json_line(event(1, 2.5)));
  MetricsLog(path_).append(event(2, 1.0));
  EXPECT_EQ(read_metrics(path_).size(), 2U);
}

TEST_F(MetricsLogTest, MalformedLineInTheMiddleIsNamed) {
  for (const std::string bad : {"{\"step\":", "[1]", "{}", "{\"step\":1.5}", "\x01"}) {
    try {
      (void)parse_metrics("\n" + bad + "\n" + to_json_line(event(1, 1)) + "\n");
      FAIL() << bad;
    } catch (const FormatError& error) {
      EXPECT_NE(std::string(error.what()).find("line 2"), std::string::npos) << error.what();
    }
  }
}

TEST_F(MetricsLogTest, TruncationKeepsTheBytesOfEarlierLines) {
  // Spacing that our writer does not produce must survive.
  const std::string kept = "{\"step\": 1, \"loss\": 2.50}\n" + to_json_line(event(5, 1)) + "\n";
  write(kept + to_json_line(event(6, 1)) + "\n" + to_json_line(event(5, 3)).substr(0, 9));
  truncate_metrics(path_, 5);
  EXPECT_EQ(read_text_file(path_), kept);
}

TEST_F(MetricsLogTest, TruncatingAMissingFileDoesNothing) {
  truncate_metrics(path_, 5);
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(MetricsLogTest, UnwritableFolderIsAnIoError) {
  EXPECT_THROW(MetricsLog("/nonexistent-folder/metrics.jsonl"), IoError);
  EXPECT_THROW((void)read_metrics("/nonexistent-folder/metrics.jsonl"), IoError);
}

TEST_F(MetricsLogTest, FullDiskIsAnIoErrorAndTheLogGoesOnAfterwards) {
  MetricsLog log(path_);
  log.append(event(1, 1));
  // A file size limit stands in for a full disk: the next line fits only in part.
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  const rlimit tiny{std::filesystem::file_size(path_) + 10, old_limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tiny), 0);
  EXPECT_THROW(log.append(event(2, 1)), IoError);
  setrlimit(RLIMIT_FSIZE, &old_limit);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_EQ(read_text_file(path_), to_json_line(event(1, 1)) + "\n");
  log.append(event(3, 1));
  EXPECT_EQ(read_metrics(path_), (std::vector{event(1, 1), event(3, 1)}));
}

TEST_F(MetricsLogTest, SeriesAreSortedBySplitAndName) {
  const std::vector<MetricEvent> events = {{1, 0, 0, "train", {{"loss", 3}, {"lr", 0.1}}},
                                           {1, 0, 0, "eval", {{"loss", 4}}},
                                           {2, 1, 0, "train", {{"loss", 2}}}};
  const std::vector<MetricSeries> series = to_series(events);
  ASSERT_EQ(series.size(), 3U);
  EXPECT_EQ(series[0].name, "loss");
  EXPECT_EQ(series[0].split, "train");
  EXPECT_EQ(series[0].steps, (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(series[0].epochs, (std::vector<std::int64_t>{0, 1}));
  EXPECT_EQ(series[0].values, (std::vector<double>{3, 2}));
  EXPECT_EQ(series[2].split, "eval");
}

}  // namespace
}  // namespace conopa::report
