#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <span>

#include "conopa/core/dtype.h"
#include "engine/buffer.h"

namespace conopa::engine {

/// Element `column` of a row of floats or bfloat16.
[[nodiscard]] inline float wide_value(const kernels::ConstAct& act, std::int64_t row,
                                      std::int64_t column) noexcept {
  const std::int64_t at = row * act.stride + column;
  if (act.type == kernels::ActType::kF32) return static_cast<const float*>(act.data)[at];
  return bf16_to_float(static_cast<const std::uint16_t*>(act.data)[at]);
}

inline void set_wide_value(const kernels::MutableAct& act, std::int64_t row, std::int64_t column,
                           float value) noexcept {
  const std::int64_t at = row * act.stride + column;
  if (act.type == kernels::ActType::kF32) {
    static_cast<float*>(act.data)[at] = value;
  } else {
    static_cast<std::uint16_t*>(act.data)[at] = float_to_bf16(value);
  }
}

/// Root-mean-square norm of weight.size() columns from `column` on, in place.
inline void rms_norm_wide(const kernels::MutableAct& act, std::int64_t row, std::int64_t column,
                          std::span<const float> weight, float eps) noexcept {
  float squares = 0.0F;
  for (std::size_t i = 0; i < weight.size(); ++i) {
    const float value = wide_value(act, row, column + static_cast<std::int64_t>(i));
    squares += value * value;
  }
  const float factor = 1.0F / std::sqrt(squares / static_cast<float>(weight.size()) + eps);
  for (std::size_t i = 0; i < weight.size(); ++i) {
    const std::int64_t at = column + static_cast<std::int64_t>(i);
    set_wide_value(act, row, at, wide_value(act, row, at) * factor * weight[i]);
  }
}

/// Sets rows to zero (kI8: with scale 1).
inline void clear_rows(const kernels::MutableAct& act, std::int64_t count) noexcept {
  const std::int64_t bytes = count * act.stride * kernels::act_size(act.type);
  std::memset(act.data, 0, static_cast<std::size_t>(bytes));
  for (std::int64_t r = 0; act.scale != nullptr && r < count; ++r) act.scale[r] = 1.0F;
}

}  // namespace conopa::engine
