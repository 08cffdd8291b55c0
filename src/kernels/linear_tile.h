#pragma once

// Row blocks of linear in register tiles of equal height. In an unnamed namespace for the reason
// given in matmul_tile.h.

#include "kernels/linear_slice.h"
#include "kernels/matmul_tile.h"

namespace conopa::kernels::detail {
namespace {

/// Rows whose sums wait for their epilogue: few enough for the first level.
constexpr std::int64_t kSliceRows = 56;

/// A tile of kRows rows and two vectors: begins with what earlier k blocks left in c.
template <typename Vec, int kRows>
void linear_tile(const PanelTask& task, const Word* a, std::int64_t row, const float* ahead,
                 std::int64_t lines) {
  const std::int64_t stride = task.a_stride;
  const Word* base[(kRows + 2) / 3];
#pragma GCC unroll 16
  for (int i = 0; i < (kRows + 2) / 3; ++i) base[i] = a + 3 * i * stride;
  float* const c = task.c + row * Vec::kPanel;
  typename Vec::Sum sums[kRows][2];
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) {
      sums[i][v] =
          task.accumulate ? Vec::load_sum(c + i * Vec::kPanel + v * Vec::kWidth) : Vec::zero();
    }
  }
  std::int64_t p = 0;
  for (; p + kStepsPerCall <= task.words; p += kStepsPerCall) {
    for (std::int64_t line = 0; line < lines; ++line, ahead += kLineFloats) {
      __builtin_prefetch(ahead, 0, 2);
    }
    multiply_steps<Vec, kRows, 2, ALayout::kRows>(base, stride, task.b, p, p + kStepsPerCall, sums);
  }
  multiply_steps<Vec, kRows, 2, ALayout::kRows>(base, stride, task.b, p, task.words, sums);
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) {
      Vec::store(c + i * Vec::kPanel + v * Vec::kWidth, sums[i][v]);
    }
  }
}

/// The tile of `height` rows, 1..kRows.
template <typename Vec, int kRows = Vec::kTileRows>
[[gnu::always_inline]] inline void tile_of(std::int64_t height, const PanelTask& task,
                                           const Word* a, std::int64_t row, const float* ahead,
                                           std::int64_t lines) {
  if (height == kRows) {
    linear_tile<Vec, kRows>(task, a, row, ahead, lines);
  } else if constexpr (kRows > 1) {
    tile_of<Vec, kRows - 1>(height, task, a, row, ahead, lines);
  }
}

/// Asks for the output lines of some rows: at the end they would be waited for one by one.
inline void call_outputs(const LinearPanelTask& task, std::int64_t row, std::int64_t rows) {
  if (task.output == nullptr) return;
  for (std::int64_t i = row; i < row + rows; ++i) {
    for (std::int64_t line = 0; line < task.output_lines; ++line) {
      __builtin_prefetch(task.output + i * task.output_stride + 64 * line, 1);
    }
  }
}

/// Multiplies tile by tile.
///
/// The rows are dealt evenly to the fewest tiles: 197 rows are 13 tiles of 13 and 2 of 14. A lone
/// last row would wait on its own sums and take as long as several.
template <typename Vec>
void even_panel(const LinearPanelTask& whole) noexcept {
  const PanelTask& task = whole.product;
  const std::int64_t tiles = (task.rows + Vec::kTileRows - 1) / Vec::kTileRows;
  if (tiles == 0) return;
  const std::int64_t calls = tiles * (task.words / kStepsPerCall);
  const std::int64_t lines =
      calls == 0 || task.rows < 8 ? 0 : (task.ahead_lines + calls - 1) / calls;
  const std::int64_t tile_ahead = lines * (task.words / kStepsPerCall) * kLineFloats;
  const float* ahead = task.ahead;
  std::int64_t finished = 0;
  for (std::int64_t t = 0, row = 0; t < tiles; ++t) {
    const std::int64_t height = task.rows / tiles + (t < task.rows % tiles ? 1 : 0);
    call_outputs(whole, row, height);
    tile_of<Vec>(height, task, task.a + row * task.a_stride, row, ahead, lines);
    row += height;
    ahead += tile_ahead;
    if (whole.epilogue != nullptr && (row - finished >= kSliceRows || t + 1 == tiles)) {
      finish_slice(whole, Vec::kPanel, finished, row - finished);
      finished = row;
    }
  }
}

}  // namespace
}  // namespace conopa::kernels::detail
