#pragma once

// Packing of float words, shared by the instruction-set files of matmul that multiply in float32.
// In an unnamed namespace for the reason given in matmul_tile.h.

#include "kernels/matmul_kernel.h"

namespace conopa::kernels::detail {
namespace {

/// Lines that packing asks for ahead of their use: a matrix row is often a cache miss.
constexpr std::int64_t kPrefetchLines = 6;

inline void prefetch_line(const float* from, std::int64_t count) {
  for (std::int64_t i = 0; i < count; i += 16) __builtin_prefetch(from + i);
}

/// Leaves values as they are.
template <typename Vec>
struct Keep {
  static typename Vec::Sum convert(typename Vec::Sum value) { return value; }
};

/// Rounds to the nearest bfloat16, ties to even; NaN stays NaN.
template <typename Vec>
struct RoundToBf16 {
  static typename Vec::Sum convert(typename Vec::Sum value) { return Vec::round_to_bf16(value); }
};

// Copies `count` floats, a vector at a time.
template <typename Vec, typename Convert>
inline void copy_line(const float* src, std::int64_t count, Word* dst) {
  std::int64_t i = 0;
  for (; i + Vec::kWidth <= count; i += Vec::kWidth) {
    Vec::store(dst + i, Convert::convert(Vec::load_sum(src + i)));
  }
  if (i < count) {
    const auto mask = Vec::mask(count - i);
    Vec::store_masked(dst + i, mask, Convert::convert(Vec::load_masked(src + i, mask)));
  }
}

// kWidth lines that are contiguous in k become columns [first, first + kWidth) of the panel.
template <typename Vec, typename Convert>
inline void pack_b_lines(const PackTask& task, std::int64_t k0, std::int64_t first) {
  const std::int64_t left = task.k - k0;
  const auto mask = Vec::mask(left);
  typename Vec::Sum lines[Vec::kWidth];
  for (std::int64_t j = 0; j < Vec::kWidth; ++j) {
    lines[j] = first + j < task.count
                   ? Convert::convert(Vec::load_masked(task.src + (first + j) * task.ld + k0, mask))
                   : Vec::zero();
  }
  Vec::transpose(lines);
  Word* dst = task.dst + k0 * Vec::kPanel + first;
  if (left >= Vec::kWidth) {
#pragma GCC unroll 16
    for (std::int64_t k = 0; k < Vec::kWidth; ++k) Vec::store(dst + k * Vec::kPanel, lines[k]);
  } else {
    for (std::int64_t k = 0; k < left; ++k) Vec::store(dst + k * Vec::kPanel, lines[k]);
  }
}

// Writes whole panels: columns beyond task.count become zero.
template <typename Vec, typename Convert>
void pack_b_floats(const PackTask& task) noexcept {
  static_assert(Vec::kPanel == 2 * Vec::kWidth);
  if (task.k_contiguous) {
    for (std::int64_t k = 0; k < task.k; k += Vec::kWidth) {
      pack_b_lines<Vec, Convert>(task, k, 0);
      pack_b_lines<Vec, Convert>(task, k, Vec::kWidth);
    }
    return;
  }
  const auto mask0 = Vec::mask(task.count);
  const auto mask1 = Vec::mask(task.count - Vec::kWidth);
  for (std::int64_t k = 0; k < task.k; ++k) {
    const float* src = task.src + k * task.ld;
    if (k + kPrefetchLines < task.k) prefetch_line(src + kPrefetchLines * task.ld, task.count);
    Word* dst = task.dst + k * Vec::kPanel;
    Vec::store(dst, Convert::convert(Vec::load_masked(src, mask0)));
    const auto second =
        task.count > Vec::kWidth ? Vec::load_masked(src + Vec::kWidth, mask1) : Vec::zero();
    Vec::store(dst + Vec::kWidth, Convert::convert(second));
  }
}

template <typename Vec, typename Convert>
void pack_a_floats(const PackTask& task) noexcept {
  static_assert(Vec::kTilePitch == Vec::kWidth);
  if (task.k_contiguous) {
    for (std::int64_t i = 0; i < task.count; ++i) {
      copy_line<Vec, Convert>(task.src + i * task.ld, task.k, task.dst + i * task.stride);
    }
    return;
  }
  for (std::int64_t k = 0; k < task.k; ++k) {
    const float* src = task.src + k * task.ld;
    if (k + kPrefetchLines < task.k) prefetch_line(src + kPrefetchLines * task.ld, task.count);
    Word* dst = task.dst + k * Vec::kTilePitch;
    // Whole vectors, of which the kernel reads kTileRows, while they stay inside the block.
    std::int64_t i = 0;
    for (; i + Vec::kWidth <= task.count; i += Vec::kTileRows, dst += task.stride) {
      Vec::store(dst, Convert::convert(Vec::load_sum(src + i)));
    }
    for (; i < task.count; i += Vec::kTileRows, dst += task.stride) {
      const auto mask = Vec::mask(task.count - i);
      Vec::store(dst, Convert::convert(Vec::load_masked(src + i, mask)));
    }
  }
}

}  // namespace
}  // namespace conopa::kernels::detail
