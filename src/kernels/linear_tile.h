#pragma once

// Row blocks of linear in register tiles of equal height. In an unnamed namespace for the reason
// given in matmul_tile.h.

#include "kernels/matmul_tile.h"

namespace conopa::kernels::detail {
namespace {

/// The tile of `height` rows, 1..kRows.
template <typename Vec, int kRows = Vec::kTileRows>
[[gnu::always_inline]] inline void tile_of(std::int64_t height, const PanelTask& task,
                                           const Word* a, std::int64_t row, const float* ahead,
                                           std::int64_t lines) {
  if (height == kRows) {
    tile<Vec, kRows, 2, ALayout::kRows>(task, a, row, ahead, lines);
  } else if constexpr (kRows > 1) {
    tile_of<Vec, kRows - 1>(height, task, a, row, ahead, lines);
  }
}

/// A PanelTask of whole panels and rows in place.
///
/// The rows are dealt evenly to the fewest tiles: 197 rows are 13 tiles of 13 and 2 of 14. A lone
/// last row would wait on its own sums and take as long as several.
template <typename Vec>
void even_panel(const PanelTask& task) noexcept {
  const std::int64_t tiles = (task.rows + Vec::kTileRows - 1) / Vec::kTileRows;
  if (tiles == 0) return;
  const std::int64_t calls = tiles * (task.words / kStepsPerCall);
  const std::int64_t lines = calls == 0 ? 0 : (task.ahead_lines + calls - 1) / calls;
  const std::int64_t tile_ahead = lines * (task.words / kStepsPerCall) * kLineFloats;
  const float* ahead = task.ahead;
  for (std::int64_t t = 0, row = 0; t < tiles; ++t) {
    const std::int64_t height = task.rows / tiles + (t < task.rows % tiles ? 1 : 0);
    tile_of<Vec>(height, task, task.a + row * task.a_stride, row, ahead, lines);
    row += height;
    ahead += tile_ahead;
  }
}

}  // namespace
}  // namespace conopa::kernels::detail
