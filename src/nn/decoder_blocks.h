#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "nn/block.h"

namespace conopa::nn {

/// Runs a decoder's blocks and its final norm. Captures "decoder_in" and "decoder_blockI_...".
/// @param x  [B, N, W]. Returns [B, N, W].
/// @param blocks, parameters  as for Block; at least one block.
[[nodiscard]] at::Tensor run_decoder(const at::Tensor& x,
                                     const std::vector<arch::BlockSpec>& blocks,
                                     const Parameters& parameters, const arch::EncoderSpec& spec,
                                     const ForwardOptions& options);

}  // namespace conopa::nn
