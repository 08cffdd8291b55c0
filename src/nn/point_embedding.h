#pragma once

#include <ATen/core/Tensor.h>

#include "conopa/nn/parameters.h"
#include "nn/pass.h"

namespace conopa::nn {

/// Groups clouds and turns every group into a token; fills pass.positions if the spec adds
/// positions of centres before the blocks.
///
/// Captures "centres" and "group_tokens" (before they become dim wide), [B, G, .], and "positions",
/// [B, 1 + G, dim] with the class token's first. In training the batch norms use and update the
/// statistics of the batch.
/// @param clouds  [B, N, 3] float32, checked. Returns rows [B·G, dim].
/// @throws ShapeError for a training batch of one point.
/// @source Yu et al., Point-BERT (arXiv 2111.14819), section 3.1; released code of PointNet.
[[nodiscard]] at::Tensor embed_points(const at::Tensor& clouds, const Parameters& parameters,
                                      Pass& pass);

}  // namespace conopa::nn
