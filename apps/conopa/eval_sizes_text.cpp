// The results of conopa eval --sizes as text, CSV, JSON and a section of a report.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "eval_sizes.h"

namespace conopa::app {
namespace {

using Json = nlohmann::ordered_json;

// Side of the square of the same area: puts oblong sizes on one axis with square ones.
double side_of(const SizeResult& r) {
  return r.size.height == r.size.width
             ? static_cast<double>(r.size.height)
             : std::sqrt(static_cast<double>(r.size.height) * static_cast<double>(r.size.width));
}

std::string percent(double share) { return fmt::format("{:.2f} %", 100.0 * share); }

report::TextTable display_table(const std::vector<SizeResult>& results) {
  report::TextTable table{
      .title = "Results by input size",
      .header = {"size", "tokens", "GMACs", "top-1",
                 fmt::format("top-{}", results.front().result.top_k), "loss", "ECE", "images/s"},
      .rows = {}};
  for (const SizeResult& r : results) {
    table.rows.push_back({to_string(r.size), std::to_string(r.tokens),
                          fmt::format("{:.4g}", r.gmacs), percent(r.result.top1),
                          percent(r.result.top5), fmt::format("{:.4f}", r.result.loss),
                          fmt::format("{:.4f}", r.result.calibration.ece),
                          fmt::format("{:.1f}", r.images_per_second)});
  }
  return table;
}

bool is_square(const SizeResult& r) { return r.size.height == r.size.width; }

/// Adds a line through the square sizes and one through the others: a crop of another shape shows
/// other parts of the image, so the two do not belong on one line.
template <typename Value>
void add_series(const std::vector<SizeResult>& results, const std::string& name, int color,
                const Value& value, report::LineChart& chart) {
  report::PlotSeries square{.name = name, .color = color};
  report::PlotSeries oblong{.name = name + ", oblong", .color = color + 2};
  for (const SizeResult& r : results) {
    report::PlotSeries& series = is_square(r) ? square : oblong;
    series.x.push_back(side_of(r));
    series.y.push_back(value(r.result));
  }
  if (!square.x.empty()) chart.series.push_back(std::move(square));
  if (oblong.x.empty()) return;
  chart.series.push_back(std::move(oblong));
  chart.x_label = "input side (oblong: root of the area), px";
}

}  // namespace

std::string size_header(const SizeResult& first) {
  return fmt::format("{:<11} {:>7} {:>9} {:>9} {:>9} {:>8} {:>7} {:>9}", "size", "tokens", "GMACs",
                     "top-1", fmt::format("top-{}", first.result.top_k), "loss", "ECE", "images/s");
}

std::string size_row(const SizeResult& r) {
  return fmt::format("{:<11} {:>7} {:>9.4g} {:>9} {:>9} {:>8.4f} {:>7.4f} {:>9.1f}",
                     to_string(r.size), r.tokens, r.gmacs, percent(r.result.top1),
                     percent(r.result.top5), r.result.loss, r.result.calibration.ece,
                     r.images_per_second);
}

report::TextTable size_csv_table(const std::vector<SizeResult>& results) {
  report::TextTable table{.title = "sizes",
                          .header = {"size", "height", "width", "tokens", "gmacs", "images", "top1",
                                     "top5", "loss", "ece", "images_per_second"},
                          .rows = {}};
  for (const SizeResult& r : results) {
    table.rows.push_back(
        {to_string(r.size), std::to_string(r.size.height), std::to_string(r.size.width),
         std::to_string(r.tokens), fmt::format("{}", r.gmacs), std::to_string(r.result.samples),
         fmt::format("{}", r.result.top1), fmt::format("{}", r.result.top5),
         fmt::format("{}", r.result.loss), fmt::format("{}", r.result.calibration.ece),
         fmt::format("{:.6g}", r.images_per_second)});
  }
  return table;
}

std::string size_json(const std::vector<SizeResult>& results) {
  Json json = Json::array();
  for (const SizeResult& r : results) {
    json.push_back({{"size", to_string(r.size)},
                    {"height", r.size.height},
                    {"width", r.size.width},
                    {"tokens", r.tokens},
                    {"gmacs", r.gmacs},
                    {"images", r.result.samples},
                    {"non_finite", r.result.non_finite},
                    {"top1", r.result.top1},
                    {"top5", r.result.top5},
                    {"top_k", r.result.top_k},
                    {"loss", r.result.loss},
                    {"ece", r.result.calibration.ece},
                    {"images_per_second", r.images_per_second}});
  }
  return json.dump();
}

report::ReportSection size_section(std::vector<SizeResult> results) {
  report::ReportSection section{.title = "Input sizes", .note = "same weights at every size"};
  section.tables = {display_table(results)};
  std::sort(results.begin(), results.end(),
            [](const SizeResult& a, const SizeResult& b) { return side_of(a) < side_of(b); });
  report::LineChart accuracy{.title = "Accuracy by input size", .x_label = "input side, px"};
  accuracy.x_axis = report::XAxis::kLinear;
  accuracy.y_format = report::ValueFormat::kPercent;
  report::LineChart loss{.title = "Loss by input size", .x_label = accuracy.x_label};
  loss.x_axis = report::XAxis::kLinear;
  using Result = eval::ClassificationResult;
  add_series(
      results, "top-1", 0, [](const Result& r) { return r.top1; }, accuracy);
  const Result& any = results.front().result;
  if (any.num_classes > any.top_k) {
    add_series(
        results, fmt::format("top-{}", any.top_k), 1, [](const Result& r) { return r.top5; },
        accuracy);
  }
  add_series(
      results, "loss", 0, [](const Result& r) { return r.loss; }, loss);
  section.charts = {std::move(accuracy), std::move(loss)};
  return section;
}

}  // namespace conopa::app
