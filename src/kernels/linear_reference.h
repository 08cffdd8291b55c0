#pragma once

#include <vector>

#include "conopa/kernels/linear.h"

namespace conopa::kernels::detail {

/// A weight as the oracle reads it: plain rows of the values that are multiplied.
struct ReferenceWeight {
  std::int64_t n = 0;
  std::int64_t k = 0;
  std::vector<float> weight;  ///< [N, K]; kI8: the integers
  std::vector<float> gate;    ///< [N, K] or empty
  std::vector<float> scale;   ///< kI8: [N]
  std::vector<float> gate_scale;
};

[[nodiscard]] ReferenceWeight pack_reference(const WeightPack& args);

/// The oracle: plain loops, sums in double (kI8: exact integers). Arguments are valid.
void linear_reference(const LinearArgs& args, const ReferenceWeight& weight);

}  // namespace conopa::kernels::detail
