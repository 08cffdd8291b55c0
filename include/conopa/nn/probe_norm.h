#pragma once

#include <ATen/core/Tensor.h>

#include "conopa/nn/parameters.h"

namespace conopa::nn {

/// Running statistics of a batch norm without affine, shared with the model's buffers.
struct ProbeStatistics {
  at::Tensor mean;      ///< [D]
  at::Tensor variance;  ///< [D], unbiased
  at::Tensor batches;   ///< scalar count
  double momentum = 0.1;
  double eps = 1e-6;
};

/// The head's statistics of a model with head_norm = "batch".
[[nodiscard]] ProbeStatistics probe_statistics(const Parameters& parameters);

/// (x − mean) / sqrt(variance + eps) per feature: of the batch in training, which updates the
/// running values, of those otherwise.
/// @param features  [B, D].
/// @throws ShapeError for a training batch of one.
/// @source linear probing of MAE (arXiv 2111.06377), appendix A.1.
[[nodiscard]] at::Tensor probe_norm(const at::Tensor& features, const ProbeStatistics& statistics,
                                    bool training);

}  // namespace conopa::nn
