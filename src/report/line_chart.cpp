#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "conopa/core/error.h"
#include "conopa/report/plot.h"
#include "report/axis.h"
#include "report/theme.h"

namespace conopa::report {
namespace {

constexpr std::size_t kMarkedPoints = 40;  // fewer points than this are marked by dots
constexpr int kHoverColumns = 64;          // tooltips per chart
constexpr double kRareShare = 0.01;        // raw values at either end that may leave the picture
constexpr double kLegendRow = 18.0;
constexpr double kSwatch = 14.0;

/// The drawable points of a series and its smoothed values.
struct Trace {
  const PlotSeries* source = nullptr;
  std::vector<double> x;
  std::vector<double> y;
  std::vector<double> smooth;  ///< empty if the series is drawn as it is

  [[nodiscard]] const std::vector<double>& shown() const { return smooth.empty() ? y : smooth; }
};

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  void add(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  [[nodiscard]] bool empty() const { return !(low <= high); }
};

/// The plot rectangle and its axes.
struct Frame {
  double left = 0, top = 0, right = 0, bottom = 0;
  Axis x, y;
  [[nodiscard]] double px(double value) const { return left + x.position(value) * (right - left); }
  [[nodiscard]] double py(double value) const {
    return bottom - std::clamp(y.position(value), 0.0, 1.0) * (bottom - top);
  }
};

/// A value as it can be drawn: magnitudes at the limits of double, whose differences and ratios are
/// no longer finite, count as missing or as 0.
double drawable(double value) {
  if (!(std::abs(value) <= 1e100)) return std::numeric_limits<double>::quiet_NaN();
  return std::abs(value) < 1e-100 ? 0.0 : value;
}

/// Whether neighbouring values jump: schedules and the like need no smoothing.
bool is_noisy(const std::vector<double>& y) {
  Range range;
  double jumps = 0.0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    range.add(y[i]);
    const double bend = i >= 2 ? y[i] - 2 * y[i - 1] + y[i - 2] : 0.0;
    if (std::isfinite(bend)) jumps += std::abs(bend);
  }
  return jumps > 0.005 * (range.high - range.low) * static_cast<double>(y.size());
}

Trace make_trace(const PlotSeries& series, const LineChart& chart) {
  if (series.x.size() != series.y.size()) {
    throw ShapeError("plot",
                     "expected as many x as y values in series '{}', got {} and {}; pass "
                     "pairs",
                     series.name, series.x.size(), series.y.size());
  }
  Trace trace{&series, series.x, series.y, {}};
  std::transform(trace.x.begin(), trace.x.end(), trace.x.begin(), drawable);
  std::transform(trace.y.begin(), trace.y.end(), trace.y.begin(), drawable);
  if (chart.y_scale == AxisScale::kLog) {
    for (double& y : trace.y) {
      if (!(y > 0)) y = std::numeric_limits<double>::quiet_NaN();
    }
  }
  if (trace.y.size() > chart.smooth_above && is_noisy(trace.y)) {
    // The average spans about a fiftieth of the run.
    trace.smooth = smoothed(trace.y, 1.0 - 1.0 / (1.0 + static_cast<double>(trace.y.size()) / 100));
  }
  return trace;
}

/// Adds the finite values without the given share at either end.
void add_trimmed(std::vector<double> values, double trim, Range& range) {
  std::erase_if(values, [](double y) { return !std::isfinite(y); });
  if (values.empty()) return;
  std::sort(values.begin(), values.end());
  const auto rare = static_cast<std::size_t>(trim * static_cast<double>(values.size()));
  range.add(values[rare]);
  range.add(values[values.size() - 1 - rare]);
}

/// What the y axis must show: the drawn line, and of noisy raw values all but rare outliers.
void add_y_range(const Trace& trace, Range& range) {
  for (const double y : trace.shown()) range.add(y);
  if (!trace.smooth.empty()) add_trimmed(trace.y, kRareShare, range);
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
    svg.line(x, y - 4, x + kSwatch, y - 4, fmt::format("line s{}", series.color % 6));
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

void draw_trace(SvgBuilder& svg, const Trace& trace, const Frame& frame) {
  const std::string color = fmt::format("s{}", trace.source->color % 6);
  if (!trace.smooth.empty()) {
    svg.path(reduced_path(trace.x, trace.y, frame).str(), "raw " + color);
  }
  svg.path(reduced_path(trace.x, trace.shown(), frame).str(), "line " + color);
  if (trace.x.size() > kMarkedPoints) return;
  for (std::size_t i = 0; i < trace.x.size(); ++i) {
    if (std::isfinite(trace.y[i])) {
      svg.circle(frame.px(trace.x[i]), frame.py(trace.y[i]), 2.4, "dot " + color);
    }
  }
}

/// Invisible columns whose tooltips tell the values below the pointer.
void draw_hover(SvgBuilder& svg, const LineChart& chart, const std::vector<Trace>& traces,
                const Frame& frame) {
  const double width = (frame.right - frame.left) / kHoverColumns;
  std::vector<std::size_t> next(traces.size(), 0);
  for (int column = 0; column < kHoverColumns; ++column) {
    const double end = column == kHoverColumns - 1 ? std::numeric_limits<double>::infinity()
                                                   : frame.left + (column + 1) * width;
    std::string values;
    double at = 0.0;
    for (std::size_t t = 0; t < traces.size(); ++t) {
      const Trace& trace = traces[t];
      const std::size_t begin = next[t];
      while (next[t] < trace.x.size() && !(frame.px(trace.x[next[t]]) >= end)) ++next[t];
      if (next[t] == begin) continue;
      at = trace.x[next[t] - 1];
      const std::string& name = trace.source->name;
      values += fmt::format("\n{} {}", name.empty() ? chart.title : name,
                            format_value(trace.shown()[next[t] - 1], chart.y_format));
    }
    if (values.empty()) continue;
    svg.rect(frame.left + column * width, frame.top, width, frame.bottom - frame.top, "hover",
             fmt::format("{} {}{}", chart.x_label, format_count(std::llround(at)), values));
  }
}

/// One-sided exponential average in place.
void average_forwards(std::vector<double>& values, double weight) {
  double sum = 0.0;
  double norm = 0.0;
  for (double& value : values) {
    if (!std::isfinite(value)) continue;
    sum = weight * sum + (1 - weight) * value;
    norm = weight * norm + (1 - weight);
    value = sum / norm;
  }
}

Frame make_frame(const LineChart& chart, const std::vector<Trace>& traces, double top) {
  Range x;
  Range y;
  for (const Trace& trace : traces) {
    for (std::size_t i = 0; i < trace.x.size(); ++i) x.add(trace.x[i]);
    add_y_range(trace, y);
  }
  if (x.empty()) x = {0, 1};
  if (x.low > 0 && x.low < 0.2 * x.high) x.low = 0;  // runs begin at 0
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
  frame.x = make_exact_axis(x.low, x.high, static_cast<int>((frame.right - frame.left) / 60));
  return frame;
}

}  // namespace

std::vector<double> smoothed(const std::vector<double>& values, double weight) {
  std::vector<double> out = values;
  std::vector<double> backwards(values.rbegin(), values.rend());
  average_forwards(out, weight);
  average_forwards(backwards, weight);
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = 0.5 * (out[i] + backwards[out.size() - 1 - i]);
  }
  return out;
}

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
