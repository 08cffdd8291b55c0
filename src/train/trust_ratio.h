#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/where.h>

namespace conopa::train {

/// `ratio` where both norms are above 0, else 1; all scalars on one device, which nobody waits for.
[[nodiscard]] inline at::Tensor ratio_or_one(const at::Tensor& norm_a, const at::Tensor& norm_b,
                                             const at::Tensor& ratio) {
  return at::where(norm_a.gt(0).logical_and_(norm_b.gt(0)), ratio, at::ones_like(ratio));
}

}  // namespace conopa::train
