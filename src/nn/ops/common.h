#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <torch/csrc/autograd/custom_function.h>

#include "conopa/nn/convert.h"
#include "conopa/nn/ops.h"

namespace conopa::nn {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;
using torch::autograd::Variable;
using torch::autograd::variable_list;

/// Whether the kernels can serve this tensor under `exec`.
[[nodiscard]] inline bool use_fused(const at::Tensor& x, const Exec& exec) {
  return exec.ops != Ops::kStock && x.device().is_cpu() && x.scalar_type() == at::kFloat;
}

/// Same shape and type as x, contiguous, uninitialised.
[[nodiscard]] at::Tensor empty_like_rows(const at::Tensor& x, std::int64_t rows, std::int64_t width);

/// Read-only elements of a defined contiguous tensor, or an empty span.
[[nodiscard]] inline std::span<const float> optional_floats(const at::Tensor& tensor) {
  return tensor.defined() ? std::span<const float>(floats(tensor)) : std::span<const float>{};
}

}  // namespace conopa::nn
