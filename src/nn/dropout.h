#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "conopa/nn/encoder.h"

namespace conopa::nn {

/// Where a dropout acts: places draw from streams of their own. Append only.
enum class DropPlace : std::uint8_t { kTokens, kHead };

/// x with elements zeroed at `rate` and the others scaled by 1/(1 − rate): a function of seed, step
/// and place.
[[nodiscard]] at::Tensor dropout(const at::Tensor& x, double rate, const StepRandom& random,
                                 DropPlace place);

}  // namespace conopa::nn
