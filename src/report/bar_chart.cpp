#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "conopa/report/plot.h"
#include "report/axis.h"
#include "report/theme.h"

namespace conopa::report {
namespace {

constexpr double kRow = 22.0;
constexpr double kBar = 12.0;

/// Length of a bar relative to the full width; values that are not finite have none.
double bar_share(double value, double full) {
  return std::isfinite(value) && full > 0 ? std::clamp(value / full, 0.0, 1.0) : 0.0;
}

}  // namespace

std::string bar_chart_svg(const BarChart& chart, SvgUse use) {
  double label = 0.0;
  double number = 0.0;
  double full = chart.full.value_or(0.0);
  for (const auto& [name, value] : chart.bars) {
    label = std::max(label, text_width(name, kTickPx));
    number = std::max(number, text_width(format_value(value, chart.format), kTickPx));
    if (!chart.full && std::isfinite(value)) full = std::max(full, value);
  }
  label = std::min(label, chart.width * 0.4);
  const double left = label + 10;
  const double room = std::max(chart.width - left - number - 10, 10.0);
  SvgBuilder svg(chart.width, kRow * static_cast<double>(chart.bars.size()) + 4, chart.title);
  double y = 2.0;
  for (const auto& [name, value] : chart.bars) {
    const double length = room * bar_share(value, full);
    svg.text(label, y + 14, fit_text(name, kTickPx, label + 1), "end strong");
    svg.rect(left, y + (kRow - kBar) / 2, room, kBar, "track");
    svg.rect(left, y + (kRow - kBar) / 2, length, kBar, fmt::format("fill s{}", chart.color % 6),
             name);
    svg.text(chart.width, y + 14, format_value(value, chart.format), "end");
    y += kRow;
  }
  return svg.finish(use);
}

}  // namespace conopa::report
