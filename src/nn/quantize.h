#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "conopa/arch/encoder_spec.h"
#include "conopa/nn/parameters.h"

namespace conopa::nn {

/// Linear layer whose weights (per output row) and inputs (per feature) are quantised with learned
/// step sizes. In training the first batch sets the step sizes of `parameters`.
///
/// @param x  [rows, in]. Returns [rows, out] float32.
/// @source LSQ (arXiv 1902.08153) with learned zero points; iLLaMA (arXiv 2404.06773), appendix
/// C.4.
[[nodiscard]] at::Tensor quantized_linear(const Parameters& parameters, const std::string& prefix,
                                          const at::Tensor& x, const arch::EncoderSpec& spec,
                                          bool training);

/// Quantises [B, H, N, ·] with one step size per head.
[[nodiscard]] at::Tensor quantize_heads(const Parameters& parameters, const std::string& prefix,
                                        const at::Tensor& x, const arch::EncoderSpec& spec,
                                        bool training);

}  // namespace conopa::nn
