#include "conopa/core/quant_blocks.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "conopa/core/dtype.h"
#include "conopa/core/error.h"
#include "core/quant_search.h"

namespace conopa {
namespace {

using Codes = std::array<std::int8_t, kQuantBlock>;

void check_row(QuantForm form, std::size_t bytes, std::size_t values) {
  const auto unit = static_cast<std::size_t>(quant_unit(form));
  const std::size_t expected = values / unit * static_cast<std::size_t>(quant_unit_bytes(form));
  if (values % unit == 0 && bytes == expected) return;
  throw ShapeError("quantised row", "expected {} bytes for {} values of {} in units of {}, got {}",
                   expected, values, enum_name(form), unit, bytes);
}

float largest_magnitude(std::span<const float> values) noexcept {
  float largest = 0.0F;
  for (const float v : values) largest = std::max(largest, std::abs(v));
  return largest;
}

bool all_finite(std::span<const float> values) noexcept {
  return std::ranges::all_of(values, [](float v) { return std::isfinite(v); });
}

void put_codes(QuantForm form, const Codes& codes, std::byte* block) noexcept {
  if (form == QuantForm::kQ8_0) {
    std::memcpy(block + 2, codes.data(), codes.size());
    return;
  }
  constexpr std::size_t kHalf = kQuantBlock / 2;
  for (std::size_t i = 0; i < kHalf; ++i) {
    const auto low = static_cast<unsigned>(codes[i] + 8);
    const auto high = static_cast<unsigned>(codes[i + kHalf] + 8);
    block[2 + i] = static_cast<std::byte>(low | (high << 4U));
  }
}

// GGUF multiplies by the reciprocal of the scale before it is rounded to fp16, and rounds halves
// away from zero (Q8_0) or up (Q4_0).
float plain_block(QuantForm form, std::span<const float> values, Codes& codes) noexcept {
  if (form == QuantForm::kQ8_0) {
    const float scale = largest_magnitude(values) / 127.0F;
    const float factor = scale == 0.0F ? 0.0F : 1.0F / scale;
    for (std::size_t i = 0; i < codes.size(); ++i) {
      codes[i] =
          static_cast<std::int8_t>(std::clamp(std::round(values[i] * factor), -127.F, 127.F));
    }
    return scale;
  }
  float extreme = 0.0F;
  for (const float v : values) {
    if (std::abs(v) > std::abs(extreme)) extreme = v;
  }
  const float scale = extreme / -8.0F;
  const float factor = scale == 0.0F ? 0.0F : 1.0F / scale;
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const float shifted = std::clamp(values[i] * factor + 8.5F, 0.0F, 15.0F);
    codes[i] = static_cast<std::int8_t>(static_cast<int>(shifted) - 8);
  }
  return scale;
}

// False if the block's scale cannot be stored.
bool quantise_block(QuantForm form, std::span<const float> values, std::byte* block,
                    const QuantSearch& search) {
  Codes codes{};
  float scale = plain_block(form, values, codes);
  if (search.clip) {
    const detail::CodeRange range =
        form == QuantForm::kQ8_0 ? detail::CodeRange{-127, 127} : detail::CodeRange{-8, 7};
    scale = detail::search_scale(
        {.values = values, .importance = search.importance, .range = range, .fp16 = true}, scale,
        codes);
  }
  const std::uint16_t half = float_to_half(scale);
  std::memcpy(block, &half, sizeof half);
  put_codes(form, codes, block);
  return std::isfinite(half_to_float(half));
}

float quantise_int8(std::span<const float> values, std::span<std::byte> out,
                    const QuantSearch& search) {
  const float largest = largest_magnitude(values);
  std::span<std::int8_t> codes(reinterpret_cast<std::int8_t*>(out.data()), out.size());
  if (largest == 0.0F) {
    std::ranges::fill(codes, std::int8_t{0});
    return 1.0F;
  }
  // As the kernels quantise at run time: the division of subnormal rows stays a division.
  const float scale = std::max(largest / 127.0F, std::numeric_limits<float>::min());
  for (std::size_t i = 0; i < values.size(); ++i) {
    codes[i] = static_cast<std::int8_t>(std::nearbyint(values[i] / scale));
  }
  if (!search.clip) return scale;
  return detail::search_scale(
      {.values = values, .importance = search.importance, .range = {-127, 127}, .fp16 = false},
      scale, codes);
}

float block_scale(const std::byte* block) noexcept {
  std::uint16_t half = 0;
  std::memcpy(&half, block, sizeof half);
  return half_to_float(half);
}

int code_of(QuantForm form, const std::byte* block, std::size_t element) noexcept {
  if (form == QuantForm::kQ8_0) return static_cast<std::int8_t>(block[2 + element]);
  const auto both = std::to_integer<int>(block[2 + element % 16]);
  return (element < 16 ? both & 15 : both >> 4) - 8;
}

}  // namespace

float quantise_row(QuantForm form, std::span<const float> values, std::span<std::byte> out,
                   const QuantSearch& search) {
  check_row(form, out.size(), values.size());
  if (!search.importance.empty() && search.importance.size() != values.size()) {
    throw ShapeError("quantised row", "expected {} weights of importance, got {}", values.size(),
                     search.importance.size());
  }
  if (!all_finite(values)) return std::numeric_limits<float>::quiet_NaN();
  if (form == QuantForm::kInt8) return quantise_int8(values, out, search);
  const auto bytes = static_cast<std::size_t>(quant_unit_bytes(form));
  bool good = true;
  for (std::size_t b = 0; b * kQuantBlock < values.size(); ++b) {
    QuantSearch part = search;
    if (!part.importance.empty()) {
      part.importance = part.importance.subspan(b * kQuantBlock, kQuantBlock);
    }
    good = quantise_block(form, values.subspan(b * kQuantBlock, kQuantBlock),
                          out.data() + b * bytes, part) &&
           good;
  }
  return good ? 1.0F : std::numeric_limits<float>::quiet_NaN();
}

void dequantise_row(QuantForm form, std::span<const std::byte> bytes, float scale,
                    std::span<float> values) {
  check_row(form, bytes.size(), values.size());
  if (form == QuantForm::kInt8) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = scale * static_cast<float>(static_cast<std::int8_t>(bytes[i]));
    }
    return;
  }
  const auto unit = static_cast<std::size_t>(quant_unit_bytes(form));
  for (std::size_t b = 0; b * kQuantBlock < values.size(); ++b) {
    const std::byte* block = bytes.data() + b * unit;
    const float factor = block_scale(block);
    for (std::size_t i = 0; i < kQuantBlock; ++i) {
      values[b * kQuantBlock + i] = factor * static_cast<float>(code_of(form, block, i));
    }
  }
}

bool finite_block_scales(QuantForm form, std::span<const std::byte> bytes) noexcept {
  if (!has_blocks(form)) return true;
  const auto unit = static_cast<std::size_t>(quant_unit_bytes(form));
  for (std::size_t at = 0; at + unit <= bytes.size(); at += unit) {
    if (!std::isfinite(block_scale(bytes.data() + at))) return false;
  }
  return true;
}

}  // namespace conopa
