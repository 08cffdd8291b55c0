#pragma once

#include <span>

#include "conopa/kernels/matmul.h"
#include "kernels/matmul_kernel.h"

namespace conopa::kernels::detail {

/// One row of the kernel table.
struct MatmulKernel {
  const char* name;
  Isa isa;
  Compute compute;
  std::int64_t tile_rows;     ///< rows of a register tile
  std::int64_t tile_pitch;    ///< words per k of a tile packed as ALayout::kTiles
  std::int64_t panel;         ///< columns of a register tile
  std::int64_t k_per_word;    ///< 1: float words, 2: bfloat16 pairs
  std::int64_t block_words;   ///< longest k block, in words
  bool reads_rows_in_place;   ///< may read row-major floats of the left operand where they lie
  const MatmulFunctions* fn;  ///< null for the reference
};

/// All rows, best first; the reference of each compute kind comes last and runs everywhere.
[[nodiscard]] std::span<const MatmulKernel> matmul_kernels() noexcept;

/// First row of this compute kind at or below `isa`.
[[nodiscard]] const MatmulKernel& select_matmul_kernel(Compute compute, Isa isa) noexcept;

/// The oracle: plain loops, sums in double; bfloat16 rounding of the operands if asked for.
/// Arguments are valid and packed_b is null.
void matmul_reference(const MatmulArgs& args);

}  // namespace conopa::kernels::detail
