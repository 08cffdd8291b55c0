#pragma once

#include <span>

#include "conopa/kernels/linear.h"
#include "kernels/linear_kernel.h"

namespace conopa::kernels::detail {

/// One row of the kernel table.
struct LinearKernel {
  const char* name;
  Isa isa;
  ActType compute;
  WordKind word;                ///< what a packed word of the weight holds
  std::int64_t tile_rows;       ///< rows of a register tile
  std::int64_t panel;           ///< columns of a register tile
  std::int64_t block_words;     ///< longest k block, in words
  std::int64_t least_rows;      ///< of a block, to repay a panel's way from the third level
  std::int64_t words_multiple;  ///< a packed row is a multiple of as many words
  std::int64_t row_group;       ///< rows that one load reads
  const LinearFunctions* fn;    ///< null for the reference
};

/// All rows, best first; the reference of each compute type comes last and runs everywhere.
[[nodiscard]] std::span<const LinearKernel> linear_kernels() noexcept;

/// First row of this compute type at or below `isa`.
[[nodiscard]] const LinearKernel& select_linear_kernel(ActType compute, Isa isa) noexcept;

}  // namespace conopa::kernels::detail
