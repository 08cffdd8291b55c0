#pragma once

// The register-tile loop shared by the instruction-set files of matmul. Everything is in an
// unnamed namespace, so each file gets its own copy compiled with its own flags.

#include "kernels/matmul_kernel.h"

namespace conopa::kernels::detail {
namespace {

// Row i of a tile is read at base[i / 3] + (i % 3) * stride: x86 addresses scale an index by 1 or
// 2, so five pointers serve fourteen rows at any stride.
template <typename Vec, int kRows, int kVectors, ALayout kLayout>
inline void multiply(const Word* a, std::int64_t stride, const Word* b, std::int64_t words,
                     typename Vec::Sum (&sums)[kRows][kVectors]) {
  constexpr int kBases = (kRows + 2) / 3;
  const Word* base[kBases];
#pragma GCC unroll 16
  for (int i = 0; i < kBases; ++i) base[i] = a + 3 * i * stride;
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sums[i][v] = Vec::zero();
  }
#pragma GCC unroll 4
  for (std::int64_t p = 0; p < words; ++p) {
    typename Vec::Operand right[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) right[v] = Vec::load(b + v * Vec::kWidth);
    b += Vec::kPanel;
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const Word* word = kLayout == ALayout::kTiles ? a + p * Vec::kTileRows + i
                                                    : base[i / 3] + (i % 3) * stride + p;
      const typename Vec::Operand left = Vec::broadcast(word);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sums[i][v] = Vec::fma(left, right[v], sums[i][v]);
    }
  }
}

template <typename Vec, int kRows, int kVectors, ALayout kLayout>
void tile(const PanelTask& task, const Word* a, std::int64_t first_row) {
  typename Vec::Sum sums[kRows][kVectors];
  multiply<Vec, kRows, kVectors, kLayout>(a, task.a_stride, task.b, task.words, sums);

  const auto mask = Vec::mask(task.cols - (kVectors - 1) * Vec::kWidth);
  float* c = task.c + first_row * task.ldc;
  const float* residual =
      task.residual == nullptr ? nullptr : task.residual + first_row * task.ld_residual;
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    const bool whole = v < kVectors - 1 || task.cols == kVectors * Vec::kWidth;
    const auto get = [&](const float* from) {
      return whole ? Vec::load_sum(from + v * Vec::kWidth)
                   : Vec::load_masked(from + v * Vec::kWidth, mask);
    };
    const auto bias = task.bias == nullptr ? Vec::zero() : get(task.bias);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      auto value = Vec::add(sums[i][v], bias);
      if (task.accumulate) value = Vec::add(value, get(c + i * task.ldc));
      if (residual != nullptr) value = Vec::add(value, get(residual + i * task.ld_residual));
      float* to = c + i * task.ldc + v * Vec::kWidth;
      if (whole) {
        Vec::store(to, value);
      } else {
        Vec::store_masked(to, mask, value);
      }
    }
  }
}

// Picks the instance for the rows that are left at the bottom of a block.
template <typename Vec, int kVectors, ALayout kLayout, int kRows = Vec::kTileRows - 1>
void last_tile(const PanelTask& task, const Word* a, std::int64_t first_row) {
  if constexpr (kRows > 0) {
    if (task.rows - first_row == kRows) {
      tile<Vec, kRows, kVectors, kLayout>(task, a, first_row);
    } else {
      last_tile<Vec, kVectors, kLayout, kRows - 1>(task, a, first_row);
    }
  }
}

template <typename Vec, int kVectors, ALayout kLayout>
void panel_rows(const PanelTask& task) {
  const std::int64_t step =
      kLayout == ALayout::kTiles ? task.a_stride : task.a_stride * Vec::kTileRows;
  const Word* a = task.a;
  std::int64_t row = 0;
  for (; row + Vec::kTileRows <= task.rows; row += Vec::kTileRows, a += step) {
    tile<Vec, Vec::kTileRows, kVectors, kLayout>(task, a, row);
  }
  last_tile<Vec, kVectors, kLayout>(task, a, row);
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
