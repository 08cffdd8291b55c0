#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "conopa/arch/block_spec.h"
#include "conopa/core/host_tensor.h"
#include "conopa/engine/calibration.h"

namespace conopa::engine {

/// The tensors of one block as float32, by full name.
struct FloatBlock {
  std::map<std::string, std::vector<float>, std::less<>> values;
  std::map<std::string, Shape, std::less<>> shapes;
};

/// Layers that read the same input, and what makes that input.
struct SmoothGroup {
  LinearReader reader = LinearReader::kAttention;
  std::vector<std::string> readers;  ///< weights [N, K] or [N, K, r, r]
  /// Tensors whose entries `offset` .. `offset + K` of the first axis scale with the input: norm
  /// weights and biases, rows of matrices and their biases.
  std::vector<std::string> makers;
  std::int64_t offset = 0;
};

/// The groups of a block whose input can be scaled without changing what the block computes.
[[nodiscard]] std::vector<SmoothGroup> smooth_groups(const arch::BlockSpec& block);

/// Smoothing factors s [K] of a group, see QuantiseOptions::smoothing.
[[nodiscard]] std::vector<float> smoothing_factors(const FloatBlock& block,
                                                   const SmoothGroup& group,
                                                   const InputRange& range, double share);

/// Divides the makers by s and multiplies the readers' columns by it.
void apply_smoothing(FloatBlock& block, const SmoothGroup& group, std::span<const float> factors);

}  // namespace conopa::engine
