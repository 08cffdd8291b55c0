#pragma once

#include <cstdint>

#include "kernels/matmul_table.h"
#include "kernels/matmul_workspace.h"

namespace conopa::kernels::detail {

/// Cutting of k into equal blocks that fit the first-level cache.
struct KBlocks {
  std::int64_t words = 0;  ///< of the whole k
  std::int64_t block = 0;  ///< of one block (the last may be shorter)

  KBlocks(const MatmulKernel& kernel, std::int64_t k);
};

/// How a product is spread over blocks and threads; depends on shape and thread count only.
struct MatmulPlan {
  enum class Split : std::uint8_t {
    kRows,    ///< b packed whole, threads share the rows of c
    kPanels,  ///< b packed whole, threads share the columns of c
    kDepth    ///< threads share k (and rows); each packs its own blocks
  };
  Split split = Split::kRows;
  std::int64_t threads = 1;
  std::int64_t depth_parts = 1;  ///< kDepth: parts of k
  std::int64_t row_parts = 1;    ///< kDepth: parts of the rows
};

[[nodiscard]] MatmulPlan plan_matmul(const MatmulKernel& kernel, const MatmulArgs& args);

/// Words that the packed right operand takes.
[[nodiscard]] std::int64_t packed_words(const MatmulKernel& kernel, std::int64_t n, std::int64_t k);

/// Packs b [K, N] as [k block][panel][word][column of the panel], in parallel.
void pack_matrix(const MatmulKernel& kernel, const PackArgs& args, Word* dst);

/// Runs a table row that is not the reference. `packed` is b in the order of pack_matrix, or null.
void run_matmul(const MatmulKernel& kernel, const MatmulArgs& args, const Word* packed);

}  // namespace conopa::kernels::detail
