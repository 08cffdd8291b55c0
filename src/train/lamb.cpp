#include "conopa/train/lamb.h"

#include <ATen/TensorOperators.h>

#include <cmath>

#include "conopa/train/gradients.h"
#include "train/trust_ratio.h"

namespace conopa::train {

Lamb::Lamb(nn::Parameters& parameters, const OptimOptions& options, nn::Ops ops)
    : Optimizer(parameters, options, ops, {"exp_avg", "exp_avg_sq"}),
      beta1_(options.betas.at(0)),
      beta2_(options.betas.at(1)),
      eps_(options.eps) {}

void Lamb::update(const at::Tensor& parameter, std::span<const at::Tensor> moments,
                  const Update& numbers) const {
  const at::Tensor& grad = parameter.grad();
  const at::Tensor& exp_avg = moments[0];
  const at::Tensor& exp_avg_sq = moments[1];
  const double scale = numbers.grad_scale;
  exp_avg.mul_(beta1_).add_(grad, (1.0 - beta1_) * scale);
  exp_avg_sq.mul_(beta2_).addcmul_(grad, grad, (1.0 - beta2_) * scale * scale);

  // m/c1 / (sqrt(v/c2) + eps), with c1 taken into the denominator to save a pass.
  const auto count = static_cast<double>(steps());
  const double correction1 = 1.0 - std::pow(beta1_, count);
  const double correction2 = 1.0 - std::pow(beta2_, count);
  const at::Tensor denominator =
      exp_avg_sq.sqrt().mul_(correction1 / std::sqrt(correction2)).add_(eps_ * correction1);
  at::Tensor direction = exp_avg.div(denominator);
  if (numbers.weight_decay != 0.0) {
    direction.add_(parameter, numbers.weight_decay);
    const at::Tensor length = l2_norm(parameter, ops());
    const at::Tensor step = l2_norm(direction, ops());
    direction.mul_(ratio_or_one(length, step, length / step));
  }
  parameter.sub_(direction, numbers.lr);
}

}  // namespace conopa::train
