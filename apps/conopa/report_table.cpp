// conopa report: the comparison as table, CSV and JSON.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "conopa/core/system.h"
#include "report.h"

namespace conopa::app {
namespace {

using Json = nlohmann::ordered_json;
using report::Better;
using report::ValueFormat;

constexpr const char* kAbsent = "–";

// Fixed decimals, so that mean and deviation of a column can be compared by eye.
int decimals_of(double value) {
  const double size = std::abs(value);
  return size < 10.0 ? 4 : size < 100.0 ? 2 : size < 1000.0 ? 1 : 0;
}

std::string plain_text(const eval::Spread& spread) {
  const double mean = spread.mean;
  if (mean != 0.0 && (std::abs(mean) < 1e-2 || std::abs(mean) >= 1e6)) {
    return spread.deviation ? fmt::format("{:.3g} ± {:.1g}", mean, *spread.deviation)
                            : fmt::format("{:.3g}", mean);
  }
  const int decimals = decimals_of(mean);
  return spread.deviation
             ? fmt::format("{:.{}f} ± {:.{}f}", mean, decimals, *spread.deviation, decimals)
             : fmt::format("{:.{}f}", mean, decimals);
}

std::string epochs_text(const RunGroup& group) {
  const auto [low, high] = std::minmax_element(
      group.runs.begin(), group.runs.end(),
      [](const ReportedRun& a, const ReportedRun& b) { return a.epochs < b.epochs; });
  return low->epochs == high->epochs ? std::to_string(low->epochs)
                                     : fmt::format("{}–{}", low->epochs, high->epochs);
}

bool has_best(const ReportedMetric& metric) { return metric.look.better != Better::kNeither; }

std::string number(const std::optional<double>& value) {
  return value ? fmt::format("{}", *value) : "";
}

void append_cells(const std::optional<eval::Spread>& spread, std::vector<std::string>& row) {
  row.push_back(spread ? number(spread->mean) : "");
  row.push_back(spread ? number(spread->deviation) : "");
}

Json to_json(const std::optional<eval::Spread>& spread) {
  if (!spread) return nullptr;
  return {{"mean", spread->mean},
          {"sd", spread->deviation ? Json(*spread->deviation) : Json()},
          {"min", spread->low},
          {"max", spread->high},
          {"runs", spread->count}};
}

template <typename Value>
Json nullable(const std::optional<Value>& value) {
  return value ? Json(*value) : Json();
}

Json to_json(const ReportedRun& run) {
  return {{"folder", run.folder.string()},
          {"seed", nullable(run.seed)},
          {"epochs", run.epochs},
          {"planned_epochs", nullable(run.planned)}};
}

Json to_json(const GroupSummary& row, const std::vector<ReportedMetric>& metrics) {
  Json runs = Json::array();
  for (const ReportedRun& run : row.group->runs) runs.push_back(to_json(run));
  Json values = Json::object();
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    Json& value = values[metrics[i].key()] = {{"last", to_json(row.metrics[i].last)}};
    if (!has_best(metrics[i])) continue;
    value["best"] = to_json(row.metrics[i].best);
    value["best_is"] = metrics[i].look.better == Better::kHigher ? "max" : "min";
  }
  return {{"group", row.group->name},
          {"runs", std::move(runs)},
          {"parameters", nullable(row.parameters)},
          {"seconds_per_epoch", to_json(row.epoch_seconds)},
          {"metrics", std::move(values)}};
}

}  // namespace

std::string spread_text(const std::optional<eval::Spread>& spread, ValueFormat format) {
  if (!spread) return kAbsent;
  if (!std::isfinite(spread->mean)) return "not finite";
  if (format != ValueFormat::kPercent) return plain_text(*spread);
  return spread->deviation
             ? fmt::format("{:.2f} ± {:.2f} %", 100 * spread->mean, 100 * *spread->deviation)
             : fmt::format("{:.2f} %", 100 * spread->mean);
}

report::TextTable comparison_table(const Comparison& comparison) {
  report::TextTable table{.header = {"group", "runs", "epochs"}};
  const auto any = [&comparison](auto known) {
    return std::any_of(comparison.rows.begin(), comparison.rows.end(), known);
  };
  const bool parameters = any([](const GroupSummary& row) { return row.parameters.has_value(); });
  const bool seconds = any([](const GroupSummary& row) { return row.epoch_seconds.has_value(); });
  for (const ReportedMetric& metric : comparison.metrics) {
    table.header.push_back(metric.key() + " last");
    if (has_best(metric)) table.header.push_back(metric.key() + " best");
  }
  if (parameters) table.header.emplace_back("parameters");
  if (seconds) table.header.emplace_back("s/epoch");
  for (const GroupSummary& row : comparison.rows) {
    std::vector<std::string> cells{row.group->name, std::to_string(row.group->runs.size()),
                                   epochs_text(*row.group)};
    for (std::size_t i = 0; i < comparison.metrics.size(); ++i) {
      const report::MetricLook& look = comparison.metrics[i].look;
      cells.push_back(spread_text(row.metrics[i].last, look.format));
      if (has_best(comparison.metrics[i])) {
        cells.push_back(spread_text(row.metrics[i].best, look.format));
      }
    }
    if (parameters) {
      cells.push_back(row.parameters ? format_count(static_cast<double>(*row.parameters))
                                     : kAbsent);
    }
    if (seconds) {
      cells.push_back(row.epoch_seconds ? fmt::format("{:.3g}", row.epoch_seconds->mean) : kAbsent);
    }
    table.rows.push_back(std::move(cells));
  }
  return table;
}

report::TextTable comparison_csv(const Comparison& comparison) {
  report::TextTable table{
      .header = {"group", "runs", "epochs_min", "epochs_max", "parameters", "seconds_per_epoch"}};
  for (const ReportedMetric& metric : comparison.metrics) {
    for (const char* end : {"last", "last_sd", "best", "best_sd"}) {
      if (*end == 'b' && !has_best(metric)) continue;
      table.header.push_back(fmt::format("{}.{}", metric.key(), end));
    }
  }
  for (const GroupSummary& row : comparison.rows) {
    const std::vector<ReportedRun>& runs = row.group->runs;
    const auto [low, high] = std::minmax_element(
        runs.begin(), runs.end(),
        [](const ReportedRun& a, const ReportedRun& b) { return a.epochs < b.epochs; });
    std::vector<std::string> cells{row.group->name,
                                   std::to_string(runs.size()),
                                   std::to_string(low->epochs),
                                   std::to_string(high->epochs),
                                   row.parameters ? std::to_string(*row.parameters) : "",
                                   row.epoch_seconds ? number(row.epoch_seconds->mean) : ""};
    for (std::size_t i = 0; i < comparison.metrics.size(); ++i) {
      append_cells(row.metrics[i].last, cells);
      if (has_best(comparison.metrics[i])) append_cells(row.metrics[i].best, cells);
    }
    table.rows.push_back(std::move(cells));
  }
  return table;
}

std::string comparison_json(const Comparison& comparison) {
  Json json = Json::array();
  for (const GroupSummary& row : comparison.rows) json.push_back(to_json(row, comparison.metrics));
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace conopa::app
