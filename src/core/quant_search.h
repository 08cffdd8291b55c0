#pragma once

#include <cstdint>
#include <span>

namespace conopa::detail {

struct CodeRange {
  int lowest = -127;
  int highest = 127;
};

/// Values that share a scale.
struct ScaleProblem {
  std::span<const float> values;
  std::span<const float> importance;  ///< empty: all alike
  CodeRange range;
  bool fp16 = false;  ///< the scale is stored as fp16
};

/// Looks for a scale with a smaller weighted squared error than `scale` with `codes` has.
///
/// Tries multiples of `scale` from 0.6 to 1.2 (of both signs for an asymmetric range), then refits
/// the best by least squares to its codes. The result is never worse.
/// @param codes  in: those of `scale`; out: those of the result.
/// @return the scale, rounded to fp16 if that is how it is stored.
[[nodiscard]] float search_scale(const ScaleProblem& problem, float scale,
                                 std::span<std::int8_t> codes);

}  // namespace conopa::detail
