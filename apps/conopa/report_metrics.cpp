// conopa report: which metrics are compared.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "conopa/core/error.h"
#include "conopa/core/nearest.h"
#include "report.h"

namespace conopa::app {
namespace {

constexpr std::size_t kDefaultMetrics = 4;

/// Every metric that a run has logged, in order of appearance.
std::vector<ReportedMetric> logged_metrics(const std::vector<RunGroup>& groups) {
  std::vector<ReportedMetric> out;
  for (const RunGroup& group : groups) {
    for (const ReportedRun& run : group.runs) {
      for (const report::MetricSeries& series : run.series) {
        const bool known = std::any_of(out.begin(), out.end(), [&](const ReportedMetric& metric) {
          return metric.split == series.split && metric.name == series.name;
        });
        if (!known) out.push_back({series.split, series.name, report::metric_look(series.name)});
      }
    }
  }
  return out;
}

std::vector<ReportedMetric> default_metrics(const std::vector<ReportedMetric>& logged) {
  std::vector<ReportedMetric> evaluation;
  for (const ReportedMetric& metric : logged) {
    if (metric.split == "eval") evaluation.push_back(metric);
  }
  const auto of_keys = [&logged](std::initializer_list<std::string_view> keys) {
    std::vector<ReportedMetric> out;
    for (const std::string_view key : keys) {
      std::copy_if(logged.begin(), logged.end(), std::back_inserter(out),
                   [key](const ReportedMetric& metric) { return metric.key() == key; });
    }
    return out;
  };
  if (!of_keys({"eval.top1"}).empty()) return of_keys({"eval.top1", "eval.loss"});
  if (evaluation.size() > kDefaultMetrics) evaluation.resize(kDefaultMetrics);
  if (!evaluation.empty()) return evaluation;
  if (auto loss = of_keys({"train.loss"}); !loss.empty()) return loss;
  if (logged.empty()) {
    throw FormatError("runs", "expected logged metrics, found events without values; check {}",
                      "metrics.jsonl");
  }
  return {logged.front()};
}

/// Takes ":min" or ":max" from the end of a word.
std::optional<report::Better> take_direction(std::string& word) {
  for (const auto& [end, better] :
       {std::pair{":min", report::Better::kLower}, std::pair{":max", report::Better::kHigher}}) {
    if (!word.ends_with(end)) continue;
    word.resize(word.size() - std::string_view(end).size());
    return better;
  }
  return std::nullopt;
}

ReportedMetric find_metric(std::string word, const std::vector<ReportedMetric>& logged) {
  const std::optional<report::Better> better = take_direction(word);
  std::vector<std::string> keys;
  for (const ReportedMetric& metric : logged) {
    keys.push_back(metric.key());
    if (keys.back() != word) continue;
    ReportedMetric out = metric;
    if (better) out.look.better = *better;
    return out;
  }
  const std::string nearest = did_you_mean(word, keys);
  throw UsageError(
      "--values", "expected a metric that a run has logged, got '{}'{}", word,
      nearest.empty() ? fmt::format("; known are {}", fmt::join(keys, ", ")) : nearest);
}

}  // namespace

std::vector<ReportedMetric> chosen_metrics(const std::string& values,
                                           const std::vector<RunGroup>& groups) {
  const std::vector<ReportedMetric> logged = logged_metrics(groups);
  if (values.empty()) return default_metrics(logged);
  std::vector<ReportedMetric> out;
  for (const std::string& word : split_words(values, "--values")) {
    out.push_back(find_metric(word, logged));
    const std::string key = out.back().key();
    if (std::count_if(out.begin(), out.end(),
                      [&key](const ReportedMetric& metric) { return metric.key() == key; }) > 1) {
      throw UsageError("--values", "{} is given twice; name every metric once", key);
    }
  }
  return out;
}

}  // namespace conopa::app
