#include "kernels/linear_source.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "conopa/core/dtype.h"

namespace conopa::kernels::detail {
namespace {

template <typename T>
T load(const std::byte* from) noexcept {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// GGUF Q8_0: fp16 scale, 32 int8.
void read_q8(const std::byte* block, float* values) noexcept {
  const float scale = half_to_float(load<std::uint16_t>(block));
  for (std::int64_t i = 0; i < kBlockLength; ++i) {
    values[i] = scale * static_cast<float>(load<std::int8_t>(block + 2 + i));
  }
}

// GGUF Q4_0: fp16 scale, 16 bytes; the lower halves are elements 0..15, the upper ones 16..31.
void read_q4(const std::byte* block, float* values) noexcept {
  const float scale = half_to_float(load<std::uint16_t>(block));
  for (std::int64_t i = 0; i < kBlockLength / 2; ++i) {
    const int both = load<std::uint8_t>(block + 2 + i);
    values[i] = scale * static_cast<float>((both & 15) - 8);
    values[i + kBlockLength / 2] = scale * static_cast<float>((both >> 4) - 8);
  }
}

void read_blocks(const WeightView& weight, std::int64_t row, std::span<float> values) noexcept {
  const auto blocks = static_cast<std::int64_t>(values.size()) / kBlockLength;
  const std::int64_t bytes = block_bytes(weight.form);
  const auto* block = static_cast<const std::byte*>(weight.data) + row * blocks * bytes;
  for (std::int64_t b = 0; b < blocks; ++b, block += bytes) {
    float* to = values.data() + b * kBlockLength;
    weight.form == WeightForm::kQ8_0 ? read_q8(block, to) : read_q4(block, to);
  }
}

}  // namespace

const char* form_name(WeightForm form) noexcept {
  constexpr const char* kNames[] = {"f32", "f16", "bf16", "i8", "q8_0", "q4_0"};
  return kNames[static_cast<std::size_t>(form)];
}

void read_weight_row(const WeightView& weight, std::int64_t row, std::span<float> values) {
  const auto k = static_cast<std::int64_t>(values.size());
  // Files map tensors at any address, so elements are copied out, never read through a pointer.
  const auto* bytes = static_cast<const std::byte*>(weight.data);
  switch (weight.form) {
    case WeightForm::kF32:
      std::memcpy(values.data(), bytes + 4 * row * k, values.size_bytes());
      return;
    case WeightForm::kF16:
      for (std::int64_t i = 0; i < k; ++i) {
        values[static_cast<std::size_t>(i)] =
            half_to_float(load<std::uint16_t>(bytes + 2 * (row * k + i)));
      }
      return;
    case WeightForm::kBf16:
      for (std::int64_t i = 0; i < k; ++i) {
        values[static_cast<std::size_t>(i)] =
            bf16_to_float(load<std::uint16_t>(bytes + 2 * (row * k + i)));
      }
      return;
    case WeightForm::kI8:
      for (std::int64_t i = 0; i < k; ++i) {
        values[static_cast<std::size_t>(i)] =
            weight.scale[row] * static_cast<float>(load<std::int8_t>(bytes + row * k + i));
      }
      return;
    case WeightForm::kQ8_0:
    case WeightForm::kQ4_0:
      read_blocks(weight, row, values);
      return;
  }
}

float quantize_weight_row(const WeightView& weight, std::int64_t row, std::span<float> values,
                          std::span<std::int8_t> quantized) {
  if (weight.form == WeightForm::kI8) {
    std::memcpy(quantized.data(),
                static_cast<const std::int8_t*>(weight.data) +
                    row * static_cast<std::int64_t>(quantized.size()),
                quantized.size());
    return weight.scale[row];
  }
  read_weight_row(weight, row, values);
  float largest = 0.0F;
  bool finite = true;
  for (const float v : values) {
    largest = std::max(largest, std::abs(v));
    finite = finite && std::isfinite(v);
  }
  if (!finite || largest == 0.0F) {
    std::ranges::fill(quantized, std::int8_t{0});
    return finite ? 1.0F : std::numeric_limits<float>::quiet_NaN();
  }
  // The division of subnormal rows would overflow its reciprocal, so it stays a division.
  const float scale = std::max(largest / 127.0F, std::numeric_limits<float>::min());
  for (std::size_t i = 0; i < values.size(); ++i) {
    // Adding 1.5 * 2^23 leaves no bits for a fraction; unlike nearbyint it vectorises everywhere.
    constexpr float kRound = 12582912.0F;
    quantized[i] = static_cast<std::int8_t>(values[i] / scale + kRound - kRound);
  }
  return scale;
}

void round_to_bf16(std::span<float> values) noexcept {
  for (float& v : values) {
    v = std::bit_cast<float>(static_cast<std::uint32_t>(bf16_bits(v)) << 16U);
  }
}

}  // namespace conopa::kernels::detail
