#pragma once

#include "kernels/linear_pack.h"

namespace conopa::kernels::detail {

/// How a product is cut into parts, one a thread. Results do not depend on it.
struct LinearPlan {
  std::int64_t row_parts = 1;
  std::int64_t panel_parts = 1;
  std::int64_t block_rows = 1;   ///< rows whose activations stay in the second-level cache
  std::int64_t block_words = 1;  ///< of k; a panel's block stays in the first-level cache
};

[[nodiscard]] LinearPlan plan_linear(const LinearKernel& kernel, const PackedPanels& weight,
                                     std::int64_t rows, std::int64_t threads);

/// Runs a table row that is not the reference. Arguments are valid.
void run_linear(const LinearKernel& kernel, const PackedPanels& weight, const LinearArgs& args);

}  // namespace conopa::kernels::detail
