#pragma once

#include <bit>
#include <cstdint>
#include <span>

#include "conopa/kernels/linear.h"

namespace conopa::kernels::detail {

/// Elements along K that one block of a block form holds.
inline constexpr std::int64_t kBlockLength = 32;

[[nodiscard]] constexpr bool is_block_form(WeightForm form) noexcept {
  return form == WeightForm::kQ8_0 || form == WeightForm::kQ4_0;
}

/// Bytes of one block of a block form, its fp16 scale included.
[[nodiscard]] constexpr std::int64_t block_bytes(WeightForm form) noexcept {
  return form == WeightForm::kQ8_0 ? 34 : 18;
}

[[nodiscard]] const char* form_name(WeightForm form) noexcept;

/// Writes row `row` of a stored [N, K] matrix as float32, exactly (scales applied). K elements.
void read_weight_row(const WeightView& weight, std::int64_t row, std::span<float> values);

/// Row `row` as int8 and returns its scale: kI8 as stored, other forms quantised symmetrically with
/// scale = largest magnitude / 127 (1 for a zero row), rounding to nearest even. A row with NaN or
/// infinity gets the scale NaN, so that it reaches the output. `values` [K] is scratch.
float quantize_weight_row(const WeightView& weight, std::int64_t row, std::span<float> values,
                          std::span<std::int8_t> quantized);

/// The same bits as float_to_bf16, in line and without branches for loops over whole models.
[[nodiscard]] inline std::uint16_t bf16_bits(float value) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t rounded = bits + 0x7FFFU + ((bits >> 16U) & 1U);
  const bool nan = (bits & 0x7FFFFFFFU) > 0x7F800000U;
  return static_cast<std::uint16_t>((nan ? bits | 0x400000U : rounded) >> 16U);
}

/// Rounds to the nearest bfloat16 in place.
void round_to_bf16(std::span<float> values) noexcept;

}  // namespace conopa::kernels::detail
