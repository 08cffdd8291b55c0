#pragma once

#include <cmath>
#include <limits>
#include <vector>

#include "conopa/report/plot.h"

namespace conopa::report {

/// Lowest and highest of the finite values added.
struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  void add(double value) noexcept {
    if (!std::isfinite(value)) return;
    low = value < low ? value : low;
    high = value > high ? value : high;
  }
  [[nodiscard]] bool empty() const noexcept { return !(low <= high); }
};

/// The drawable points of a series: what cannot be drawn is NaN.
struct Trace {
  const PlotSeries* source = nullptr;
  std::vector<double> x;
  std::vector<double> y;
  std::vector<double> smooth;  ///< empty if the series is drawn as it is
  std::vector<double> low;     ///< ends of the error bars; empty if there are none
  std::vector<double> high;

  [[nodiscard]] const std::vector<double>& shown() const noexcept {
    return smooth.empty() ? y : smooth;
  }
  /// Whether point i has an error bar.
  [[nodiscard]] bool has_bar(std::size_t i) const noexcept {
    return !low.empty() && std::isfinite(low[i]) && std::isfinite(high[i]) && std::isfinite(x[i]);
  }
};

/// Checks a series and prepares it for the scales of the chart; noisy curves over steps get their
/// smoothed values.
/// @throws ShapeError if the lists of the series differ in length.
[[nodiscard]] Trace make_trace(const PlotSeries& series, const LineChart& chart);

/// Adds what the y axis must show: the drawn line, error bars, and of noisy raw values all but rare
/// outliers.
void add_y_range(const Trace& trace, Range& range);

/// The different x values of all traces, ascending.
[[nodiscard]] std::vector<double> distinct_x(const std::vector<Trace>& traces);

}  // namespace conopa::report
