#include "conopa/train/gradients.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/stack.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "conopa/kernels/adamw.h"
#include "conopa/nn/convert.h"

namespace conopa::train {

bool use_kernels(const at::Tensor& tensor, nn::Ops ops) {
  return ops != nn::Ops::kStock && tensor.device().is_cpu() && tensor.scalar_type() == at::kFloat;
}

at::Tensor l2_norm(const at::Tensor& tensor, nn::Ops ops) {
  const at::NoGradGuard no_grad;
  if (use_kernels(tensor, ops)) {
    const double sum = kernels::sum_of_squares(nn::floats(tensor.contiguous()));
    return at::scalar_tensor(std::sqrt(sum), at::kDouble);
  }
  return at::linalg_vector_norm(tensor, 2, {}, false, at::kDouble);
}

at::Tensor gradient_norm(const nn::Parameters& parameters, nn::Ops ops) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> parts;
  double sum = 0.0;
  for (const at::Tensor& parameter : parameters.tensors()) {
    const at::Tensor& grad = parameter.grad();
    if (!grad.defined()) continue;
    if (use_kernels(grad, ops)) {
      sum += kernels::sum_of_squares(nn::floats(grad.contiguous()));
    } else {
      parts.push_back(grad.to(at::kDouble).square().sum());
    }
  }
  if (parts.empty()) return at::scalar_tensor(std::sqrt(sum), at::kDouble);
  return at::stack(parts).sum().add_(sum).sqrt_();
}

double clip_factor(double norm, double max_norm) noexcept {
  if (max_norm <= 0.0 || !std::isfinite(norm)) return 1.0;
  return std::min(1.0, max_norm / (norm + 1e-6));
}

void clip_gradients(nn::Parameters& parameters, const at::Tensor& norm, double max_norm) {
  const at::NoGradGuard no_grad;
  const at::Tensor factor = ((norm + 1e-6).reciprocal() * max_norm).clamp_max_(1.0);
  for (const at::Tensor& parameter : parameters.tensors()) {
    if (parameter.grad().defined()) parameter.mutable_grad().mul_(factor);
  }
}

}  // namespace conopa::train
