#pragma once

#include <string>
#include <vector>

#include "conopa/report/plot.h"

namespace conopa::report {

/// A labelled place on an axis.
struct Tick {
  double value = 0.0;
  std::string label;
};

/// Maps values to pixels and knows its ticks.
struct Axis {
  double low = 0.0;   ///< value at the first pixel
  double high = 1.0;  ///< value at the last pixel, above low
  AxisScale scale = AxisScale::kLinear;
  std::vector<Tick> ticks;

  /// Position in [0, 1] between low and high (outside if the value is).
  [[nodiscard]] double position(double value) const;
};

/// An axis that holds [low, high], with round limits and about `count` ticks at round values. An
/// empty or inverted range is widened. On a log scale both ends must be positive.
[[nodiscard]] Axis make_axis(double low, double high, int count, AxisScale scale,
                             ValueFormat format);

/// An axis of a given range whose limits stay as they are (x axes).
[[nodiscard]] Axis make_exact_axis(double low, double high, int count);

/// An axis of chosen values (ascending, on a log scale positive) with some room at both ends: each
/// of up to kMaxNamedTicks values is a tick of its own, more get about `count` round ticks.
[[nodiscard]] Axis make_value_axis(const std::vector<double>& values, int count, AxisScale scale);
inline constexpr std::size_t kMaxNamedTicks = 12;

/// An x value: whole numbers as they are, others with four significant digits.
[[nodiscard]] std::string format_plain(double value);

/// A value for tooltips: four significant digits, percent where asked.
[[nodiscard]] std::string format_value(double value, ValueFormat format);

/// An integer with thousands separated by commas: "10,000".
[[nodiscard]] std::string format_count(long long count);

}  // namespace conopa::report
