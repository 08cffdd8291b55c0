#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace conopa::eval {

/// How far repetitions of one measurement, such as the seeds of a run, lie apart.
struct Spread {
  std::int64_t count = 0;
  double mean = 0.0;
  /// Sample standard deviation (divisor count - 1); nothing for a single value.
  std::optional<double> deviation;
  double low = 0.0;   ///< smallest value
  double high = 0.0;  ///< largest value
};

/// Sums up repetitions; nothing without values. If one of them is not finite, so that a mean would
/// hide it, every number but the count is NaN.
/// @complexity O(values), two passes. Thread-safe.
[[nodiscard]] std::optional<Spread> spread(std::span<const double> values);

}  // namespace conopa::eval
