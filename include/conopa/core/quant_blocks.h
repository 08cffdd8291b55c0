#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "conopa/core/fields.h"

namespace conopa {

/// Forms in which the rows of a weight matrix [N, K] are stored with fewer bits.
enum class QuantForm : std::uint8_t {
  kInt8,  ///< K int8 a row, one float32 scale a row beside them
  kQ8_0,  ///< blocks of 32 along K: fp16 scale, 32 int8
  kQ4_0   ///< blocks of 32 along K: fp16 scale, 16 bytes: low nibbles are elements 0..15, high ones
          ///< 16..31, value = scale * (nibble - 8)
};

/// Elements along K that share a scale in the block forms.
inline constexpr std::int64_t kQuantBlock = 32;

[[nodiscard]] constexpr bool has_blocks(QuantForm form) noexcept {
  return form != QuantForm::kInt8;
}

/// Bytes of a block, its scale included; of one element for kInt8.
[[nodiscard]] constexpr std::int64_t quant_unit_bytes(QuantForm form) noexcept {
  return form == QuantForm::kInt8 ? 1 : form == QuantForm::kQ8_0 ? 34 : 18;
}

/// Elements of what quant_unit_bytes counts.
[[nodiscard]] constexpr std::int64_t quant_unit(QuantForm form) noexcept {
  return has_blocks(form) ? kQuantBlock : 1;
}

/// How scales are found.
struct QuantSearch {
  /// False: the scale that reaches the largest magnitude, as GGUF's reference code (block forms)
  /// and the inference kernels (int8) have it. True: of scales around it, and of the least-squares
  /// fit to the chosen codes, the one with the smallest weighted squared error.
  bool clip = false;
  /// Weight of every element's squared error, [K], non-negative; empty: all alike. Mean squares of
  /// the layer's inputs make it the error of the layer's output.
  std::span<const float> importance{};
};

/// Quantises one row.
///
/// @param values  [K] float32; K a multiple of 32 for block forms.
/// @param out     [K / quant_unit * quant_unit_bytes].
/// @return the row's scale for kInt8 (1 for a row of zeros), 1 for block forms. NaN if a value is
///         not finite or a scale exceeds fp16; `out` is then unspecified.
/// @throws ShapeError if the sizes do not fit.
/// @complexity O(K), about 40 times that with a search; no allocation. Thread-safe.
/// @source GGUF's Q8_0 and Q4_0 (llama.cpp, ggml-quants reference functions).
float quantise_row(QuantForm form, std::span<const float> values, std::span<std::byte> out,
                   const QuantSearch& search = {});

/// The values that a quantised row stands for, exactly as float32 arithmetic gives them.
/// @param scale  of the row, kInt8 only.
/// @throws ShapeError as quantise_row.
void dequantise_row(QuantForm form, std::span<const std::byte> bytes, float scale,
                    std::span<float> values);

/// Whether the scales inside a row's bytes are all finite (kInt8 has none there).
[[nodiscard]] bool finite_block_scales(QuantForm form, std::span<const std::byte> bytes) noexcept;

}  // namespace conopa

template <>
struct conopa::EnumNames<conopa::QuantForm> {
  static constexpr std::array<std::string_view, 3> kNames{"int8", "q8_0", "q4_0"};
};
