#include "conopa/eval/spread.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace conopa::eval {

std::optional<Spread> spread(std::span<const double> values) {
  if (values.empty()) return std::nullopt;
  Spread out{.count = static_cast<std::int64_t>(values.size()),
             .mean = std::numeric_limits<double>::quiet_NaN(),
             .deviation = std::nullopt,
             .low = std::numeric_limits<double>::quiet_NaN(),
             .high = std::numeric_limits<double>::quiet_NaN()};
  const auto count = static_cast<double>(values.size());
  if (!std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); })) {
    if (values.size() > 1) out.deviation = out.mean;
    return out;
  }
  // Offsets from the first value: equal values get a deviation of exactly 0.
  const double origin = values.front();
  double sum = 0.0;
  for (const double value : values) sum += value - origin;
  out.mean = origin + sum / count;
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  out.low = *low;
  out.high = *high;
  if (values.size() == 1) return out;
  double squares = 0.0;
  for (const double value : values) squares += (value - out.mean) * (value - out.mean);
  out.deviation = std::sqrt(squares / (count - 1.0));
  return out;
}

}  // namespace conopa::eval
