#pragma once

#include <ATen/core/Tensor.h>

#include "conopa/nn/encoder.h"

namespace conopa::nn {

/// Tokens through the language block of a spec alone: F_L2(F_LM(F_L1(z))).
///
/// For hosts whose tokens come from elsewhere (points, text, agents), and for tests. Cost: that of
/// spec.llm over all tokens.
/// @param z  [B, N, C], C = spec.dim. options.keys_seen [B, N] hides padded keys; rows of padded
///           queries come out as numbers without meaning. options.capture is filled.
/// @return [B, N, C].
/// @throws ShapeError for tokens or a mask of another shape, or a sample without any key.
[[nodiscard]] at::Tensor language_block(const arch::EncoderSpec& spec, const Parameters& parameters,
                                        const at::Tensor& z, const ForwardOptions& options);

}  // namespace conopa::nn
