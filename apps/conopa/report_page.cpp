// conopa report: curves and the page.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <set>

#include "report.h"

namespace conopa::app {
namespace {

constexpr std::size_t kKeyNumbers = 6;  // groups that are worth a word each

std::string count_text(std::size_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

/// "3 runs, seeds 0, 1, 2".
std::string runs_text(const RunGroup& group) {
  std::set<std::int64_t> seeds;
  for (const ReportedRun& run : group.runs) {
    if (run.seed) seeds.insert(*run.seed);
  }
  std::string out = count_text(group.runs.size(), "run");
  if (!seeds.empty()) {
    out += fmt::format(", {} {}", seeds.size() == 1 ? "seed" : "seeds", fmt::join(seeds, ", "));
  }
  return out;
}

bool is_repeated(const Comparison& comparison) {
  return std::any_of(comparison.rows.begin(), comparison.rows.end(),
                     [](const GroupSummary& row) { return row.group->runs.size() > 1; });
}

bool has_best(const Comparison& comparison) {
  return std::any_of(
      comparison.metrics.begin(), comparison.metrics.end(),
      [](const ReportedMetric& metric) { return metric.look.better != report::Better::kNeither; });
}

std::string metric_title(const ReportedMetric& metric) {
  return metric.split.empty() ? metric.look.title
                              : fmt::format("{}, {}", metric.look.title, metric.split);
}

std::string table_explanation(const Comparison& comparison) {
  std::string out =
      is_repeated(comparison)
          ? "Mean ± sample standard deviation over the runs of a group; a single run has none. "
          : "Every group is a single run, so nothing tells how much its values vary with the "
            "seed. ";
  out += "Last is the value after a run's last finished epoch. ";
  if (has_best(comparison)) {
    out +=
        "Best is that of the run's best epoch, chosen by the same value and therefore a little "
        "optimistic. ";
  }
  if (!is_repeated(comparison) || comparison.rows.size() > kKeyNumbers) return out;
  for (const GroupSummary& row : comparison.rows) {
    out += fmt::format("{}{}: {}", &row == &comparison.rows.front() ? "" : "; ", row.group->name,
                       runs_text(*row.group));
  }
  return out + ".";
}

std::string curve_explanation(const Comparison& comparison) {
  return is_repeated(comparison) ? "Lines are the mean over the runs of a group that reached the "
                                   "epoch, bars reach from "
                                   "the lowest to the highest of them."
                                 : "";
}

std::vector<report::KeyNumber> key_numbers(const Comparison& comparison) {
  std::vector<report::KeyNumber> out;
  if (comparison.rows.size() > kKeyNumbers) return out;
  const ReportedMetric& metric = comparison.metrics.front();
  for (const GroupSummary& row : comparison.rows) {
    const std::optional<eval::Spread>& last = row.metrics.front().last;
    std::optional<eval::Spread> mean = last;
    if (mean) mean->deviation.reset();
    std::string note = metric_title(metric);
    if (last && last->deviation) {
      note += fmt::format("; {} runs, {} to {}", last->count,
                          spread_text(eval::spread(std::span(&last->low, 1)), metric.look.format),
                          spread_text(eval::spread(std::span(&last->high, 1)), metric.look.format));
    }
    out.push_back({row.group->name, spread_text(mean, metric.look.format), std::move(note)});
  }
  return out;
}

/// Every run by itself: what the means are made of.
report::TextTable runs_table(const Comparison& comparison) {
  report::TextTable table{.header = {"run", "group", "seed", "epochs", "planned"}};
  for (const ReportedMetric& metric : comparison.metrics) {
    table.header.push_back(metric.key() + " last");
  }
  const auto text = [](const std::optional<std::int64_t>& value) {
    return value ? std::to_string(*value) : std::string("–");
  };
  for (const GroupSummary& row : comparison.rows) {
    for (std::size_t i = 0; i < row.group->runs.size(); ++i) {
      const ReportedRun& run = row.group->runs[i];
      std::vector<std::string> cells{run.folder.string(), row.group->name, text(run.seed),
                                     std::to_string(run.epochs), text(run.planned)};
      for (std::size_t m = 0; m < comparison.metrics.size(); ++m) {
        const std::vector<double>& values = row.metrics[m].runs[i].values;
        const std::size_t known = values.empty() ? 0 : 1;
        cells.push_back(spread_text(eval::spread(std::span(values).last(known)),
                                    comparison.metrics[m].look.format));
      }
      table.rows.push_back(std::move(cells));
    }
  }
  return table;
}

}  // namespace

report::TextTable curves_csv(const Comparison& comparison) {
  report::TextTable table{.header = {"group", "metric", "epoch", "mean", "min", "max", "runs"}};
  for (const GroupSummary& row : comparison.rows) {
    for (std::size_t i = 0; i < comparison.metrics.size(); ++i) {
      for (const report::SpreadPoint& point : row.metrics[i].curve) {
        const eval::Spread& spread = point.spread;
        table.rows.push_back({row.group->name, comparison.metrics[i].key(),
                              std::to_string(point.epoch), fmt::format("{}", spread.mean),
                              fmt::format("{}", spread.low), fmt::format("{}", spread.high),
                              std::to_string(spread.count)});
      }
    }
  }
  return table;
}

report::LineChart metric_chart(const Comparison& comparison, std::size_t metric) {
  const ReportedMetric& chosen = comparison.metrics[metric];
  report::LineChart chart{.title = metric_title(chosen), .x_label = "epochs"};
  chart.y_format = chosen.look.format;
  chart.smooth_above = std::numeric_limits<std::size_t>::max();  // a mean is smooth enough
  if (chosen.look.from_zero) chart.include = 0.0;
  for (const GroupSummary& row : comparison.rows) {
    chart.series.push_back(report::spread_series(row.group->name, row.metrics[metric].curve,
                                                 static_cast<int>(chart.series.size())));
  }
  return chart;
}

report::RunReport comparison_page(const Comparison& comparison) {
  report::RunReport page{.title = "Comparison of runs"};
  std::size_t runs = 0;
  for (const GroupSummary& row : comparison.rows) runs += row.group->runs.size();
  page.subtitle =
      fmt::format("{} in {}", count_text(runs, "run"), count_text(comparison.rows.size(), "group"));
  page.key_numbers = key_numbers(comparison);
  page.sections.push_back({.title = "Results",
                           .tables = {comparison_table(comparison)},
                           .text = table_explanation(comparison),
                           .warnings = comparison.warnings});
  report::ReportSection curves{.title = "Curves by epoch", .text = curve_explanation(comparison)};
  for (std::size_t i = 0; i < comparison.metrics.size(); ++i) {
    curves.charts.push_back(metric_chart(comparison, i));
  }
  page.sections.push_back(std::move(curves));
  page.sections.push_back({.title = "Runs", .tables = {runs_table(comparison)}});
  return page;
}

}  // namespace conopa::app
