#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "conopa/report/metric_look.h"
#include "conopa/report/plot.h"
#include "report/html_parts.h"

namespace conopa::report {
namespace {

/// All series of one metric.
struct MetricGroup {
  std::string name;
  MetricLook look;
  std::vector<const MetricSeries*> series;
};

std::vector<MetricGroup> make_groups(const std::vector<MetricSeries>& series) {
  std::vector<MetricGroup> groups;
  for (const MetricSeries& item : series) {
    auto it = std::find_if(groups.begin(), groups.end(),
                           [&](const MetricGroup& group) { return group.name == item.name; });
    if (it == groups.end()) it = groups.insert(it, {item.name, metric_look(item.name), {}});
    it->series.push_back(&item);
  }
  std::stable_sort(groups.begin(), groups.end(), [](const MetricGroup& a, const MetricGroup& b) {
    return a.look.order < b.look.order;
  });
  return groups;
}

/// Gradient norms span orders of magnitude; a log axis then reads better.
AxisScale scale_of(const MetricGroup& group) {
  if (group.name != "grad_norm") return AxisScale::kLinear;
  double low = HUGE_VAL;
  double high = 0.0;
  for (const MetricSeries* series : group.series) {
    for (const double value : series->values) {
      if (!std::isfinite(value) || value <= 0) continue;
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  return high > 30 * low ? AxisScale::kLog : AxisScale::kLinear;
}

/// Train is always blue and evaluation orange; others follow.
int color_of(const std::string& split, std::size_t position) {
  if (split.empty() || split == "train") return 0;
  if (split == "eval" || split == "val" || split == "test") return 1;
  return 2 + static_cast<int>(position % 4);
}

std::string group_html(const MetricGroup& group) {
  LineChart chart;
  chart.title = group.look.title;
  chart.y_format = group.look.format;
  chart.y_scale = scale_of(group);
  if (group.look.from_zero) chart.include = 0.0;
  chart.width = group.look.leads ? 440 : 330;
  chart.height = group.look.leads ? 262 : 200;
  for (std::size_t i = 0; i < group.series.size(); ++i) {
    const MetricSeries& series = *group.series[i];
    const bool named = group.look.leads || group.series.size() > 1;
    chart.series.push_back({named ? series.split : "",
                            {series.steps.begin(), series.steps.end()},
                            series.values,
                            color_of(series.split, i)});
  }
  return panel_html(group.look.leads ? "half" : "third", group.look.title, line_chart_svg(chart));
}

}  // namespace

std::string curves_html(const RunReport& report) {
  if (report.series.empty()) return "";
  std::string body = "<div class=\"columns\">\n";
  for (const MetricGroup& group : make_groups(report.series)) body += group_html(group);
  return section_html("curves", "Curves", "", body + "</div>\n");
}

}  // namespace conopa::report
