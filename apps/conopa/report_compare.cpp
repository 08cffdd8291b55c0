// conopa report: groups of runs compared.

#include <fmt/format.h>

#include "report.h"

namespace conopa::app {
namespace {

MetricSummary summarise(const RunGroup& group, const ReportedMetric& metric) {
  MetricSummary out;
  std::vector<double> last;
  std::vector<double> best;
  for (const ReportedRun& run : group.runs) {
    report::EpochCurve curve;
    for (const report::MetricSeries& series : run.series) {
      if (series.split == metric.split && series.name == metric.name) {
        curve = report::epoch_curve(series, run.epochs);
      }
    }
    if (!curve.values.empty()) last.push_back(curve.values.back());
    if (const auto value = report::best_value(curve, metric.look.better)) best.push_back(*value);
    out.runs.push_back(std::move(curve));
  }
  out.curve = report::join_curves(out.runs);
  out.last = eval::spread(last);
  out.best = eval::spread(best);
  return out;
}

GroupSummary summarise(const RunGroup& group, const std::vector<ReportedMetric>& metrics) {
  GroupSummary row{.group = &group, .parameters = group.runs.front().parameters};
  std::vector<double> seconds;
  for (const ReportedRun& run : group.runs) {
    if (run.parameters != row.parameters) row.parameters.reset();
    if (run.epoch_seconds) seconds.push_back(*run.epoch_seconds);
  }
  row.epoch_seconds = eval::spread(seconds);
  for (const ReportedMetric& metric : metrics) row.metrics.push_back(summarise(group, metric));
  return row;
}

}  // namespace

Comparison compare(const std::vector<RunGroup>& groups, std::vector<ReportedMetric> metrics) {
  Comparison out{.metrics = std::move(metrics), .warnings = group_warnings(groups)};
  for (const RunGroup& group : groups) {
    out.rows.push_back(summarise(group, out.metrics));
    for (std::size_t i = 0; i < out.metrics.size(); ++i) {
      const std::optional<eval::Spread>& last = out.rows.back().metrics[i].last;
      const std::int64_t count = last ? last->count : 0;
      if (count == std::ssize(group.runs)) continue;
      out.warnings.push_back(fmt::format("{}: {} of {} runs logged {}", group.name, count,
                                         group.runs.size(), out.metrics[i].key()));
    }
  }
  return out;
}

}  // namespace conopa::app
