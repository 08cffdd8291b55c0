#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <torch/csrc/autograd/custom_function.h>

#include "conopa/nn/convert.h"
#include "conopa/nn/ops.h"
#include "conopa/nn/torch_compat.h"

namespace conopa::nn {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;
using torch::autograd::Variable;
using torch::autograd::variable_list;

/// A tensor argument that may be absent: autograd functions refuse undefined plain tensors.
[[nodiscard]] inline OptionalTensor optional(const at::Tensor& tensor) {
  return tensor.defined() ? OptionalTensor(tensor) : OptionalTensor();
}
[[nodiscard]] inline at::Tensor value_or_undefined(const OptionalTensor& tensor) {
  return tensor.has_value() ? *tensor : at::Tensor();
}

/// Whether the kernels can serve this tensor under `exec`.
[[nodiscard]] inline bool use_fused(const at::Tensor& x, const Exec& exec) {
  return exec.ops != Ops::kStock && x.device().is_cpu() && x.scalar_type() == at::kFloat;
}

/// Read-only elements of a defined contiguous tensor, or an empty span.
[[nodiscard]] inline std::span<const float> optional_floats(const at::Tensor& tensor) {
  return tensor.defined() ? std::span<const float>(floats(tensor)) : std::span<const float>{};
}

}  // namespace conopa::nn
