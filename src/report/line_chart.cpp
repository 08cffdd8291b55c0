#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "conopa/report/plot.h"
#include "report/axis.h"
#include "report/theme.h"
#include "report/trace.h"

namespace conopa::report {
namespace {

constexpr std::size_t kMarkedPoints = 40;  // fewer points than this are marked by dots
constexpr int kHoverColumns = 64;          // tooltips per chart
constexpr double kCapPx = 3.5;             // half the width of an error bar's ends
constexpr double kLegendRow = 18.0;
constexpr double kSwatch = 14.0;

/// The plot rectangle and its axes.
struct Frame {
  double left = 0, top = 0, right = 0, bottom = 0;
  Axis x, y;
  [[nodiscard]] double px(double value) const { return left + x.position(value) * (right - left); }
  [[nodiscard]] double py(double value) const {
    return bottom - std::clamp(y.position(value), 0.0, 1.0) * (bottom - top);
  }
};

/// CSS classes of a series; the second six of the palette are the first six dashed.
std::string line_class(const PlotSeries& series) {
  return fmt::format("line s{}{}", series.color % 6, series.color / 6 % 2 == 1 ? " dashed" : "");
}

/// Draws a line of many points with at most two per pixel column: its lowest and highest.
PathData reduced_path(const std::vector<double>& x, const std::vector<double>& y,
                      const Frame& frame) {
  PathData path;
  const auto emit = [&](std::size_t i) { path.point(frame.px(x[i]), frame.py(y[i])); };
  for (std::size_t begin = 0; begin < x.size();) {
    if (!std::isfinite(y[begin]) || !std::isfinite(x[begin])) {
      path.lift();
      ++begin;
      continue;
    }
    const double column = std::floor(frame.px(x[begin]));
    std::size_t low = begin;
    std::size_t high = begin;
    std::size_t end = begin + 1;
    for (; end < x.size() && std::isfinite(y[end]) && std::floor(frame.px(x[end])) == column;
         ++end) {
      if (y[end] < y[low]) low = end;
      if (y[end] > y[high]) high = end;
    }
    emit(std::min(low, high));
    if (low != high) emit(std::max(low, high));
    begin = end;
  }
  return path;
}

/// Places the legend's entries in rows; returns the height used.
double draw_legend(SvgBuilder& svg, const LineChart& chart) {
  double x = 2.0;
  double y = 0.0;
  for (const PlotSeries& series : chart.series) {
    if (series.name.empty()) continue;
    y = std::max(y, 11.0);
    const std::string name = fit_text(series.name, kTickPx, chart.width - 60);
    const double width = kSwatch + 6 + text_width(name, kTickPx) + 18;
    if (x > 2.0 && x + width > chart.width) {
      x = 2.0;
      y += kLegendRow;
    }
    svg.line(x, y - 4, x + kSwatch, y - 4, line_class(series));
    svg.text(x + kSwatch + 6, y, name, "start strong");
    x += width;
  }
  return y == 0.0 ? 6.0 : y + 12.0;
}

void draw_axes(SvgBuilder& svg, const LineChart& chart, const Frame& frame) {
  for (const Tick& tick : frame.y.ticks) {
    const double y = frame.py(tick.value);
    svg.line(frame.left, y, frame.right, y, "grid");
    svg.text(frame.left - 8, y + 4, tick.label, "end");
  }
  svg.line(frame.left, frame.bottom, frame.right, frame.bottom, "axis");
  double free_from = 0.0;
  for (const Tick& tick : frame.x.ticks) {
    const double x = frame.px(tick.value);
    const double half = text_width(tick.label, kTickPx) / 2;
    if (x - half < free_from || x + half > chart.width) continue;
    svg.line(x, frame.bottom, x, frame.bottom + 4, "axis");
    svg.text(x, frame.bottom + 17, tick.label, "middle");
    free_from = x + half + 8;
  }
  svg.text(frame.right, chart.height - 3, chart.x_label, "end axis-name");
}

void draw_bars(SvgBuilder& svg, const Trace& trace, const Frame& frame, const std::string& color) {
  PathData bars;
  for (std::size_t i = 0; i < trace.x.size(); ++i) {
    if (!trace.has_bar(i)) continue;
    const double x = frame.px(trace.x[i]);
    const double low = frame.py(trace.low[i]);
    const double high = frame.py(trace.high[i]);
    for (const auto& [x1, y1, x2, y2] : {std::array{x, low, x, high},
                                         {x - kCapPx, low, x + kCapPx, low},
                                         {x - kCapPx, high, x + kCapPx, high}}) {
      bars.lift();
      bars.point(x1, y1);
      bars.point(x2, y2);
    }
  }
  if (!bars.str().empty()) svg.path(bars.str(), "error " + color);
}

void draw_trace(SvgBuilder& svg, const Trace& trace, const Frame& frame) {
  const std::string color = fmt::format("s{}", trace.source->color % 6);
  if (!trace.smooth.empty()) {
    svg.path(reduced_path(trace.x, trace.y, frame).str(), "raw " + color);
  }
  draw_bars(svg, trace, frame, color);
  svg.path(reduced_path(trace.x, trace.shown(), frame).str(), line_class(*trace.source));
  if (trace.x.size() > kMarkedPoints) return;
  for (std::size_t i = 0; i < trace.x.size(); ++i) {
    if (std::isfinite(trace.x[i]) && std::isfinite(trace.y[i])) {
      svg.circle(frame.px(trace.x[i]), frame.py(trace.y[i]), 2.4, "dot " + color);
    }
  }
}

/// Right edges of the columns that show tooltips: one around each of a few chosen values, else of
/// equal width.
std::vector<double> hover_edges(const LineChart& chart, const std::vector<Trace>& traces,
                                const Frame& frame) {
  std::vector<double> edges;
  const std::vector<double> values = distinct_x(traces);
  if (chart.x_axis != XAxis::kSteps && values.size() <= kMaxNamedTicks) {
    for (std::size_t i = 1; i < values.size(); ++i) {
      edges.push_back(0.5 * (frame.px(values[i - 1]) + frame.px(values[i])));
    }
  } else {
    const double width = (frame.right - frame.left) / kHoverColumns;
    for (int i = 1; i < kHoverColumns; ++i) edges.push_back(frame.left + i * width);
  }
  edges.push_back(frame.right);
  return edges;
}

/// A line of a tooltip: "train 0.52" or "top-1 91 % (90 % to 92 %)".
std::string value_text(const LineChart& chart, const Trace& trace, std::size_t i) {
  const std::string& name = trace.source->name;
  std::string out = fmt::format("\n{} {}", name.empty() ? chart.title : name,
                                format_value(trace.shown()[i], chart.y_format));
  if (trace.has_bar(i)) {
    out += fmt::format(" ({} to {})", format_value(trace.low[i], chart.y_format),
                       format_value(trace.high[i], chart.y_format));
  }
  return out;
}

/// Invisible columns whose tooltips tell the values below the pointer.
void draw_hover(SvgBuilder& svg, const LineChart& chart, const std::vector<Trace>& traces,
                const Frame& frame) {
  const std::vector<double> edges = hover_edges(chart, traces, frame);
  std::vector<std::size_t> next(traces.size(), 0);
  double begin = frame.left;
  for (std::size_t column = 0; column < edges.size(); ++column) {
    const double end =
        column + 1 == edges.size() ? std::numeric_limits<double>::infinity() : edges[column];
    std::string values;
    double at = 0.0;
    for (std::size_t t = 0; t < traces.size(); ++t) {
      const Trace& trace = traces[t];
      std::size_t last = trace.x.size();
      for (; next[t] < trace.x.size() && !(frame.px(trace.x[next[t]]) >= end); ++next[t]) {
        if (std::isfinite(trace.x[next[t]])) last = next[t];
      }
      if (last == trace.x.size()) continue;
      at = trace.x[last];
      values += value_text(chart, trace, last);
    }
    if (!values.empty()) {
      const std::string place =
          chart.x_axis == XAxis::kSteps ? format_count(std::llround(at)) : format_plain(at);
      svg.rect(begin, frame.top, edges[column] - begin, frame.bottom - frame.top, "hover",
               fmt::format("{} {}{}", chart.x_label, place, values));
    }
    begin = edges[column];
  }
}

Axis make_x_axis(const LineChart& chart, const std::vector<Trace>& traces, int ticks) {
  const std::vector<double> values = distinct_x(traces);
  if (chart.x_axis != XAxis::kSteps) {
    return make_value_axis(values, ticks,
                           chart.x_axis == XAxis::kLog ? AxisScale::kLog : AxisScale::kLinear);
  }
  Range x;
  for (const double value : values) x.add(value);
  if (x.empty()) x = {0, 1};
  if (x.low > 0 && x.low < 0.2 * x.high) x.low = 0;  // runs begin at 0
  return make_exact_axis(x.low, x.high, ticks);
}

Frame make_frame(const LineChart& chart, const std::vector<Trace>& traces, double top) {
  Range y;
  for (const Trace& trace : traces) add_y_range(trace, y);
  if (chart.include && !y.empty()) y.add(*chart.include);
  if (y.empty()) y = chart.y_scale == AxisScale::kLog ? Range{0.1, 1} : Range{0, 1};
  Frame frame;
  frame.top = top;
  frame.bottom = chart.height - 36;
  frame.right = chart.width - 10;
  frame.y = make_axis(y.low, y.high, 5, chart.y_scale, chart.y_format);
  double label = 0.0;
  for (const Tick& tick : frame.y.ticks) {
    label = std::max(label, text_width(tick.label, kTickPx));
  }
  // Room to spare: fonts differ, and the page enlarges the labels on phones.
  frame.left = std::max(1.15 * label + 12, 30.0);
  frame.x = make_x_axis(chart, traces, static_cast<int>((frame.right - frame.left) / 60));
  return frame;
}

}  // namespace

std::string line_chart_svg(const LineChart& chart, SvgUse use) {
  std::vector<Trace> traces;
  for (const PlotSeries& series : chart.series) traces.push_back(make_trace(series, chart));
  SvgBuilder svg(chart.width, chart.height, chart.title);
  const double top = draw_legend(svg, chart);
  const Frame frame = make_frame(chart, traces, top);
  draw_axes(svg, chart, frame);
  for (const Trace& trace : traces) draw_trace(svg, trace, frame);
  draw_hover(svg, chart, traces, frame);
  return svg.finish(use);
}

}  // namespace conopa::report
