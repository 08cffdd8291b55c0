#pragma once

#include <span>

#include "conopa/kernels/attend.h"
#include "kernels/attend_kernel.h"
#include "kernels/matmul_table.h"

namespace conopa::kernels::detail {

/// One row of the table of attention kernels; its products are those of the matmul table.
struct AttendKernel {
  const char* name;
  Isa isa;
  ActType type;
  std::int64_t k_per_word;    ///< elements of a word, which the product must share
  std::int64_t lanes;         ///< panels must be a multiple of it
  const AttendFunctions* fn;  ///< null for the reference
};

/// All rows, best first; the reference of each type comes last and runs everywhere.
[[nodiscard]] std::span<const AttendKernel> attend_kernels() noexcept;

/// Register tiles that multiply for a kernel.
struct AttendProduct {
  Isa isa = Isa::kReference;
  std::int64_t tile_rows = 0;
  std::int64_t panel = 0;  ///< columns of a packed panel
  std::int64_t k_per_word = 0;
  std::int64_t words_multiple = 1;  ///< the depth is a multiple of as many; up to lanes
  bool whole_tiles = false;         ///< reads and writes whole tiles only
  void (*multiply)(const PanelTask&) noexcept = nullptr;
  void (*begin)() noexcept = nullptr;  ///< around the products of one thread, or null
  void (*end)() noexcept = nullptr;
};

/// A kernel and its products; without products it is the reference.
struct AttendChoice {
  const AttendKernel* kernel = nullptr;
  AttendProduct product{};
};

/// First row of this type at or below `isa` whose words are those of a product at or below `isa`.
[[nodiscard]] AttendChoice select_attend(ActType type, Isa isa) noexcept;

/// Runs a choice that is not the reference. Arguments are valid and not empty.
void run_attend(const AttendChoice& choice, const AttendArgs& args);

}  // namespace conopa::kernels::detail
