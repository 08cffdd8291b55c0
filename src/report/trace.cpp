#include "report/trace.h"

#include <algorithm>

#include "conopa/core/error.h"

namespace conopa::report {
namespace {

constexpr double kRareShare = 0.01;  // raw values at either end that may leave the picture
constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

/// Values as they can be drawn: magnitudes at the limits of double, whose differences and ratios
/// are no longer finite, count as missing or as 0; so does on a log scale what is not positive.
std::vector<double> drawable(std::vector<double> values, AxisScale scale) {
  for (double& value : values) {
    if (!(std::abs(value) <= 1e100)) value = kMissing;
    if (std::abs(value) < 1e-100) value = 0.0;
    if (scale == AxisScale::kLog && !(value > 0)) value = kMissing;
  }
  return values;
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

void check_lengths(const PlotSeries& series) {
  if (series.x.size() != series.y.size()) {
    throw ShapeError("plot",
                     "expected as many x as y values in series '{}', got {} and {}; pass "
                     "pairs",
                     series.name, series.x.size(), series.y.size());
  }
  const bool bars = !series.y_low.empty() || !series.y_high.empty();
  if (bars && (series.y_low.size() != series.y.size() || series.y_high.size() != series.y.size())) {
    throw ShapeError("plot",
                     "expected both ends of an error bar for each of the {} points of series '{}', "
                     "got {} low and {} high; pass both or none",
                     series.y.size(), series.name, series.y_low.size(), series.y_high.size());
  }
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

}  // namespace

Trace make_trace(const PlotSeries& series, const LineChart& chart) {
  check_lengths(series);
  const AxisScale x_scale = chart.x_axis == XAxis::kLog ? AxisScale::kLog : AxisScale::kLinear;
  Trace trace{.source = &series,
              .x = drawable(series.x, x_scale),
              .y = drawable(series.y, chart.y_scale),
              .smooth = {},
              .low = drawable(series.y_low, chart.y_scale),
              .high = drawable(series.y_high, chart.y_scale)};
  if (chart.x_axis == XAxis::kSteps && trace.y.size() > chart.smooth_above && is_noisy(trace.y)) {
    // The average spans about a fiftieth of the run.
    trace.smooth = smoothed(trace.y, 1.0 - 1.0 / (1.0 + static_cast<double>(trace.y.size()) / 100));
  }
  return trace;
}

void add_y_range(const Trace& trace, Range& range) {
  for (const double y : trace.shown()) range.add(y);
  if (!trace.smooth.empty()) add_trimmed(trace.y, kRareShare, range);
  for (std::size_t i = 0; i < trace.x.size(); ++i) {
    if (!trace.has_bar(i)) continue;
    range.add(trace.low[i]);
    range.add(trace.high[i]);
  }
}

std::vector<double> distinct_x(const std::vector<Trace>& traces) {
  std::vector<double> out;
  for (const Trace& trace : traces) {
    std::copy_if(trace.x.begin(), trace.x.end(), std::back_inserter(out),
                 [](double x) { return std::isfinite(x); });
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

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

}  // namespace conopa::report
