#pragma once

#include <ATen/core/Tensor.h>

#include "conopa/nn/ops.h"
#include "conopa/nn/parameters.h"

namespace conopa::train {

/// Whether the CPU kernels serve this tensor: float32 on the CPU, unless `ops` is kStock.
[[nodiscard]] bool use_kernels(const at::Tensor& tensor, nn::Ops ops);

/// L2 norm of a tensor of any shape, summed in double: a float64 scalar on the tensor's device.
[[nodiscard]] at::Tensor l2_norm(const at::Tensor& tensor, nn::Ops ops = nn::Ops::kAuto);

/// Global L2 norm of all gradients, summed in double: a float64 scalar on the parameters' device.
[[nodiscard]] at::Tensor gradient_norm(const nn::Parameters& parameters,
                                       nn::Ops ops = nn::Ops::kAuto);

/// What gradients of that norm are multiplied by: min(1, max_norm / (norm + 1e-6)), as PyTorch's
/// clip_grad_norm_; 1 if max_norm is 0. A norm that is not finite gives 1.
[[nodiscard]] double clip_factor(double norm, double max_norm) noexcept;

/// The same for a norm on any device, without waiting for it: multiplies the gradients in place.
void clip_gradients(nn::Parameters& parameters, const at::Tensor& norm, double max_norm);

}  // namespace conopa::train
