#pragma once

// Packing of float words, shared by the instruction-set files of matmul that multiply in float32.
// In an unnamed namespace for the reason given in matmul_tile.h.

#include "kernels/matmul_kernel.h"

namespace conopa::kernels::detail {
namespace {

/// Leaves a value as it is.
struct KeepFloat {
  static float convert(float value) { return value; }
};

/// Rounds to the nearest bfloat16, ties to even; NaN stays NaN.
struct RoundToBf16 {
  static float convert(float value) {
    const auto bits = __builtin_bit_cast(std::uint32_t, value);
    const std::uint32_t rounded = (bits + 0x7fffU + ((bits >> 16) & 1U)) & 0xffff0000U;
    const std::uint32_t nan = (bits | 0x00400000U) & 0xffff0000U;
    const bool is_nan = (bits & 0x7fffffffU) > 0x7f800000U;
    return __builtin_bit_cast(float, is_nan ? nan : rounded);
  }
};

// dst[k][to_stride] of `count` <= kWidth lines that are contiguous in k. Blocks of 16 k keep both
// sides in L1.
template <typename Convert>
inline void transpose_lines(const PackTask& task, std::int64_t first, std::int64_t count,
                            std::int64_t to_stride, Word* dst) {
  for (std::int64_t k0 = 0; k0 < task.k; k0 += 16) {
    const std::int64_t k1 = k0 + 16 < task.k ? k0 + 16 : task.k;
    for (std::int64_t i = 0; i < count; ++i) {
      const float* src = task.src + (first + i) * task.ld;
      for (std::int64_t k = k0; k < k1; ++k) dst[k * to_stride + i] = Convert::convert(src[k]);
    }
  }
}

template <typename Convert>
inline void copy_line(const float* src, std::int64_t count, Word* dst) {
  for (std::int64_t i = 0; i < count; ++i) dst[i] = Convert::convert(src[i]);
}

inline void clear_words(Word* dst, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) dst[i] = 0.0F;
}

template <typename Convert, int kPanel>
void pack_b_floats(const PackTask& task) noexcept {
  if (task.count < kPanel) clear_words(task.dst, task.words * kPanel);
  if (task.k_contiguous) {
    transpose_lines<Convert>(task, 0, task.count, kPanel, task.dst);
  } else if (task.count == kPanel) {
    for (std::int64_t k = 0; k < task.k; ++k) {
      copy_line<Convert>(task.src + k * task.ld, kPanel, task.dst + k * kPanel);
    }
  } else {
    for (std::int64_t k = 0; k < task.k; ++k) {
      copy_line<Convert>(task.src + k * task.ld, task.count, task.dst + k * kPanel);
    }
  }
}

template <typename Convert, int kTileRows>
void pack_a_floats(const PackTask& task) noexcept {
  if (task.k_contiguous) {
    for (std::int64_t i = 0; i < task.count; ++i) {
      copy_line<Convert>(task.src + i * task.ld, task.k, task.dst + i * task.stride);
    }
    return;
  }
  const std::int64_t whole = task.count / kTileRows * kTileRows;
  const std::int64_t rest = task.count - whole;
  for (std::int64_t k = 0; k < task.k; ++k) {
    const float* src = task.src + k * task.ld;
    Word* dst = task.dst + k * kTileRows;
    for (std::int64_t i = 0; i < whole; i += kTileRows, src += kTileRows, dst += task.stride) {
      copy_line<Convert>(src, kTileRows, dst);
    }
    copy_line<Convert>(src, rest, dst);
  }
}

}  // namespace
}  // namespace conopa::kernels::detail
