#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "conopa/nn/parameters.h"

namespace conopa::nn {

/// Turns four equal maps [B, D, h, w] into a pyramid of ×4 (deconvolution, batch norm, GELU,
/// deconvolution), ×2 (deconvolution), ×1 and ÷2 (max pooling). Batch norm uses its running
/// statistics. @source iLLaMA (arXiv 2404.06773), ADE20K experiments.
[[nodiscard]] std::vector<at::Tensor> deconv_pyramid(const std::vector<at::Tensor>& maps,
                                                     const Parameters& parameters);

}  // namespace conopa::nn
