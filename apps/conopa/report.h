#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "command.h"
#include "conopa/report/html.h"
#include "conopa/report/run_curves.h"

namespace conopa::app {

/// What was typed after `conopa report`.
struct ReportOptions {
  std::vector<std::string> runs{};  ///< DIR or NAME=DIR[,DIR...]
  std::string names{};              ///< of the groups, separated by commas; empty: from the folders
  std::string values{};             ///< metrics, separated by commas; empty: chosen
  std::string out{};                ///< HTML page
  std::string csv{};
  std::string curves{};
  std::string svg{};
};

/// A run folder, read.
struct ReportedRun {
  std::filesystem::path folder{};
  std::vector<report::MetricSeries> series{};
  std::int64_t epochs = 0;                ///< finished
  std::optional<std::int64_t> planned{};  ///< epochs that the configuration asks for
  std::optional<std::int64_t> seed{};
  std::optional<std::int64_t> parameters{};
  std::optional<double> epoch_seconds{};                        ///< median
  std::vector<std::pair<std::string, std::string>> settings{};  ///< "train.epochs", value as JSON

  [[nodiscard]] bool is_finished() const { return !planned || epochs >= *planned; }
};

/// The parts of a list between commas.
/// @throws UsageError naming the option if one is empty.
[[nodiscard]] std::vector<std::string> split_words(const std::string& text,
                                                   std::string_view option);

/// Runs that repeat each other.
struct RunGroup {
  std::string name{};
  std::vector<ReportedRun> runs{};
};

/// Reads a run folder; runs in progress count up to their last finished epoch, or as far as they
/// are in the first.
/// @throws IoError if there is no metrics.jsonl, FormatError if it is damaged or empty.
[[nodiscard]] ReportedRun read_run(const std::filesystem::path& folder);

/// Reads the named folders and puts runs of one name into a group, in order of appearance. The name
/// of a folder is that without "-seedN" or "_seedN" at its end.
/// @throws UsageError for empty or repeated folders and a number of names unlike that of groups.
[[nodiscard]] std::vector<RunGroup> read_groups(const ReportOptions& options);

/// What the reader of a comparison must know: runs of one group that differ in length, seed or
/// settings, runs in progress. One line each.
[[nodiscard]] std::vector<std::string> group_warnings(const std::vector<RunGroup>& groups);

/// A metric to compare.
struct ReportedMetric {
  std::string split{};
  std::string name{};
  report::MetricLook look{};

  [[nodiscard]] std::string key() const { return split.empty() ? name : split + "." + name; }
};

/// The metrics of `--values`: names such as "eval.top1", with ":min" or ":max" to say what is best.
/// Without: top-1 accuracy and loss of the evaluation, else its first four metrics, else the
/// training loss.
/// @throws UsageError for a name that no run has logged.
[[nodiscard]] std::vector<ReportedMetric> chosen_metrics(const std::string& values,
                                                         const std::vector<RunGroup>& groups);

/// One metric in one group; absent where no run has logged it.
struct MetricSummary {
  std::vector<report::EpochCurve> runs{};  ///< of every run, may be empty
  std::vector<report::SpreadPoint> curve{};
  std::optional<eval::Spread> last{};  ///< of the runs' last values
  std::optional<eval::Spread> best{};  ///< of the runs' best values
};

/// A row of the comparison.
struct GroupSummary {
  const RunGroup* group = nullptr;
  std::optional<std::int64_t> parameters{};     ///< if known and the same in all runs
  std::optional<eval::Spread> epoch_seconds{};  ///< of the runs' medians
  std::vector<MetricSummary> metrics{};         ///< as chosen
};

/// The groups compared; views the groups, which must outlive it.
struct Comparison {
  std::vector<ReportedMetric> metrics{};
  std::vector<GroupSummary> rows{};
  std::vector<std::string> warnings{};
};
[[nodiscard]] Comparison compare(const std::vector<RunGroup>& groups,
                                 std::vector<ReportedMetric> metrics);

/// A mean with its deviation: "91.80 ± 0.12 %", "0.2931"; "–" if absent.
[[nodiscard]] std::string spread_text(const std::optional<eval::Spread>& spread,
                                      report::ValueFormat format);

/// The table as people read it, and its raw numbers for programs: as CSV and as a JSON array.
[[nodiscard]] report::TextTable comparison_table(const Comparison& comparison);
[[nodiscard]] report::TextTable comparison_csv(const Comparison& comparison);
[[nodiscard]] std::string comparison_json(const Comparison& comparison);

/// group, metric, epoch (from 0, as in summary.csv), mean, min, max, runs: one row per epoch.
[[nodiscard]] report::TextTable curves_csv(const Comparison& comparison);

/// The curves of a metric, one line per group.
[[nodiscard]] report::LineChart metric_chart(const Comparison& comparison, std::size_t metric);

/// The page; the caller adds command and generator.
[[nodiscard]] report::RunReport comparison_page(const Comparison& comparison);

}  // namespace conopa::app
