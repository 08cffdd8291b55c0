#pragma once

// In an unnamed namespace for the reason given in matmul_tile.h.

#include "kernels/linear_kernel.h"

namespace conopa::kernels::detail {
namespace {

/// Calls the epilogue of rows [first, first + rows) of a block whose panels have `panel` columns.
inline void finish_slice(const LinearPanelTask& task, std::int64_t panel, std::int64_t first,
                         std::int64_t rows) {
  EpilogueTask slice = *task.epilogue;
  slice.rows = rows;
  slice.row += first;
  slice.sums += first * panel;
  if (slice.row_scale != nullptr) slice.row_scale += first;
  if (slice.row_sum != nullptr) slice.row_sum += first;
  task.finish(slice);
}

}  // namespace
}  // namespace conopa::kernels::detail
