#pragma once

// The register-tile loop shared by the instruction-set files of matmul. Everything is in an
// unnamed namespace, so each file gets its own copy compiled with its own flags.

#include "kernels/matmul_kernel.h"

namespace conopa::kernels::detail {
namespace {

constexpr std::int64_t kStepsPerCall = 16;  // words multiplied between two calls for memory
constexpr std::int64_t kLineFloats = 16;

// Row i of a tile is read at base[i / 3] + (i % 3) * stride: x86 addresses scale an index by 1 or
// 2, so five pointers serve fourteen rows at any stride.
template <typename Vec, int kRows, int kVectors, ALayout kLayout>
[[gnu::always_inline]] inline void multiply_steps(const Word* const (&base)[(kRows + 2) / 3],
                                                  std::int64_t stride, const Word* b,
                                                  std::int64_t begin, std::int64_t end,
                                                  typename Vec::Sum (&sums)[kRows][kVectors]) {
#pragma GCC unroll 4
  for (std::int64_t p = begin; p < end; ++p) {
    typename Vec::Operand right[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) right[v] = Vec::load(b + p * Vec::kPanel + v * Vec::kWidth);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const Word* word = kLayout == ALayout::kTiles ? base[0] + p * Vec::kTilePitch + i
                                                    : base[i / 3] + (i % 3) * stride + p;
      const typename Vec::Operand left = Vec::broadcast(word);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sums[i][v] = Vec::fma(left, right[v], sums[i][v]);
    }
  }
}

// While the sums run, the operands of the next block are called into the second level: `lines`
// cache lines from `ahead` on per kStepsPerCall words.
template <typename Vec, int kRows, int kVectors, ALayout kLayout>
[[gnu::always_inline]] inline void multiply(const PanelTask& task, const Word* a,
                                            const float* ahead, std::int64_t lines,
                                            typename Vec::Sum (&sums)[kRows][kVectors]) {
  const std::int64_t stride = task.a_stride;
  const Word* base[(kRows + 2) / 3];
#pragma GCC unroll 16
  for (int i = 0; i < (kRows + 2) / 3; ++i) base[i] = a + 3 * i * stride;
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sums[i][v] = Vec::zero();
  }
  std::int64_t p = 0;
  for (; p + kStepsPerCall <= task.words; p += kStepsPerCall) {
    for (std::int64_t line = 0; line < lines; ++line, ahead += kLineFloats) {
      __builtin_prefetch(ahead, 0, 2);
    }
    multiply_steps<Vec, kRows, kVectors, kLayout>(base, stride, task.b, p, p + kStepsPerCall, sums);
  }
  multiply_steps<Vec, kRows, kVectors, kLayout>(base, stride, task.b, p, task.words, sums);
}

// The usual end of a tile: whole vectors, straight from the registers.
template <typename Vec, int kRows, int kVectors>
[[gnu::always_inline]] inline void write_whole(const PanelTask& task,
                                               typename Vec::Sum (&sums)[kRows][kVectors],
                                               float* c) {
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    const auto bias =
        task.bias == nullptr ? Vec::zero() : Vec::load_sum(task.bias + v * Vec::kWidth);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) sums[i][v] = Vec::add(sums[i][v], bias);
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      float* to = c + i * task.ldc + v * Vec::kWidth;
      Vec::store(to, task.accumulate ? Vec::add(sums[i][v], Vec::load_sum(to)) : sums[i][v]);
    }
  }
}

// Any other end: `sums` [rows][pitch] with the columns beyond the matrix masked off.
template <typename Vec>
[[gnu::noinline]] void write_any(const PanelTask& task, const float* sums, std::int64_t pitch,
                                 std::int64_t first_row, std::int64_t rows) {
  for (std::int64_t j = 0; j < task.cols; j += Vec::kWidth) {
    const auto mask = Vec::mask(task.cols - j);
    const auto bias = task.bias == nullptr ? Vec::zero() : Vec::load_masked(task.bias + j, mask);
    for (std::int64_t i = 0; i < rows; ++i) {
      float* to = task.c + (first_row + i) * task.ldc + j;
      auto value = Vec::add(Vec::load_sum(sums + i * pitch + j), bias);
      if (task.accumulate) value = Vec::add(value, Vec::load_masked(to, mask));
      if (task.residual != nullptr) {
        const float* from = task.residual + (first_row + i) * task.ld_residual + j;
        value = Vec::add(value, Vec::load_masked(from, mask));
      }
      Vec::store_masked(to, mask, value);
    }
  }
}

template <typename Vec, int kRows, int kVectors, ALayout kLayout>
void tile(const PanelTask& task, const Word* a, std::int64_t first_row, const float* ahead,
          std::int64_t lines) {
  float* c = task.c + first_row * task.ldc;
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
    for (int v = 0; v < kVectors; ++v) __builtin_prefetch(c + i * task.ldc + v * Vec::kWidth, 1);
  }
  typename Vec::Sum sums[kRows][kVectors];
  multiply<Vec, kRows, kVectors, kLayout>(task, a, ahead, lines, sums);

  if (task.residual == nullptr && task.cols == kVectors * Vec::kWidth) {
    write_whole<Vec, kRows, kVectors>(task, sums, c);
  } else {
    alignas(64) float plain[kRows * kVectors * Vec::kWidth];
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        Vec::store(plain + (i * kVectors + v) * Vec::kWidth, sums[i][v]);
      }
    }
    write_any<Vec>(task, plain, kVectors * Vec::kWidth, first_row, kRows);
  }
}

// The rows left at the bottom of a block in pieces of 8, 4, 2 and 1: few instances, little waste.
template <typename Vec, ALayout kLayout, int kRows = (Vec::kTileRows > 8 ? 8 : 4)>
void last_rows(const PanelTask& task, const Word* a, std::int64_t row) {
  static_assert(Vec::kTileRows < 16);
  if constexpr (kRows > 0) {
    if (task.rows - row >= kRows) {
      tile<Vec, kRows, 2, kLayout>(task, a, row, nullptr, 0);
      row += kRows;
      a += kLayout == ALayout::kTiles ? kRows : kRows * task.a_stride;
    }
    last_rows<Vec, kLayout, kRows / 2>(task, a, row);
  }
}

template <typename Vec, int kVectors, ALayout kLayout>
void panel_rows(const PanelTask& task) {
  const std::int64_t step =
      kLayout == ALayout::kTiles ? task.a_stride : task.a_stride * Vec::kTileRows;
  const std::int64_t calls = (task.rows / Vec::kTileRows) * (task.words / kStepsPerCall);
  const std::int64_t lines = calls == 0 ? 0 : (task.ahead_lines + calls - 1) / calls;
  const std::int64_t tile_ahead = lines * (task.words / kStepsPerCall) * kLineFloats;
  const float* ahead = task.ahead;
  const Word* a = task.a;
  std::int64_t row = 0;
  for (; row + Vec::kTileRows <= task.rows; row += Vec::kTileRows, a += step) {
    tile<Vec, Vec::kTileRows, kVectors, kLayout>(task, a, row, ahead, lines);
    ahead += tile_ahead;
  }
  last_rows<Vec, kLayout>(task, a, row);
}

template <typename Vec, int kVectors>
void panel_columns(const PanelTask& task) {
  if (task.a_layout == ALayout::kRows) {
    panel_rows<Vec, kVectors, ALayout::kRows>(task);
  } else {
    panel_rows<Vec, kVectors, ALayout::kTiles>(task);
  }
}

template <typename Vec>
void panel(const PanelTask& task) noexcept {
  static_assert(Vec::kPanel == 2 * Vec::kWidth);
  if (task.cols > Vec::kWidth) {
    panel_columns<Vec, 2>(task);
  } else {
    panel_columns<Vec, 1>(task);
  }
}

}  // namespace
}  // namespace conopa::kernels::detail
