#pragma once

#include <cstdint>
#include <vector>

#include "conopa/llm/config.h"

namespace conopa::testing {

/// A block written out in float64: no rotary positions, no mask.
///
/// @param layer  tensors of LmSource::layer.
/// @param x      [tokens, D] of one sample.
[[nodiscard]] std::vector<double> reference_block(const llm::LmConfig& config,
                                                  const llm::LmTensors& layer,
                                                  std::vector<double> x, std::int64_t tokens);

}  // namespace conopa::testing
