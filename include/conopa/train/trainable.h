#pragma once

#include "conopa/nn/parameters.h"
#include "conopa/train/options.h"

namespace conopa::train {

/// Freezes what a run is not to change; call it before an optimiser is built.
///
/// kHead leaves the trainable tensors named under names::kHead, kLora those and the low-rank
/// branches, and withdraws the gradient of every other one, so that autograd records nothing of the
/// encoder and optimisers keep no state for it. Buffers keep their own rules: those under the head
/// (running statistics) go on being updated by the forward pass. Stochastic depth and masks follow
/// the recipe as in any run.
/// @throws ConfigError if kHead finds no head or kLora no branches.
void apply_trainable(nn::Parameters& parameters, Trainable trainable);

}  // namespace conopa::train
