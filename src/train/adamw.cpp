#include "conopa/train/adamw.h"

#include <ATen/TensorOperators.h>

#include <cmath>

#include "conopa/kernels/adamw.h"
#include "conopa/nn/convert.h"
#include "conopa/train/gradients.h"

namespace conopa::train {

AdamW::AdamW(nn::Parameters& parameters, const OptimOptions& options, nn::Ops ops)
    : Optimizer(parameters, options, ops, {"exp_avg", "exp_avg_sq"}),
      beta1_(options.betas.at(0)),
      beta2_(options.betas.at(1)),
      eps_(options.eps),
      decay_unit_(options.decoupled_decay ? options.lr_peak : 1.0) {}

void AdamW::update(const at::Tensor& parameter, std::span<const at::Tensor> moments,
                   const Update& numbers) const {
  const at::Tensor& exp_avg = moments[0];
  const at::Tensor& exp_avg_sq = moments[1];
  at::Tensor grad = parameter.grad();
  const double weight_decay = numbers.weight_decay / decay_unit_;
  if (use_kernels(parameter, ops())) {
    grad = grad.contiguous();
    const kernels::AdamWOptions options{.lr = numbers.lr,
                                        .beta1 = beta1_,
                                        .beta2 = beta2_,
                                        .eps = eps_,
                                        .weight_decay = weight_decay,
                                        .step = steps(),
                                        .grad_scale = static_cast<float>(numbers.grad_scale)};
    kernels::adamw_step(options, nn::floats(parameter), nn::floats(exp_avg), nn::floats(exp_avg_sq),
                        nn::floats(grad));
    return;
  }
  const auto count = static_cast<double>(steps());
  const double correction1 = 1.0 - std::pow(beta1_, count);
  const double correction2 = 1.0 - std::pow(beta2_, count);
  if (numbers.grad_scale != 1.0) grad = grad * numbers.grad_scale;
  parameter.mul_(1.0 - numbers.lr * weight_decay);
  exp_avg.mul_(beta1_).add_(grad, 1.0 - beta1_);
  exp_avg_sq.mul_(beta2_).addcmul_(grad, grad, 1.0 - beta2_);
  const at::Tensor denominator = exp_avg_sq.sqrt().div_(std::sqrt(correction2)).add_(eps_);
  parameter.addcdiv_(exp_avg, denominator, -numbers.lr / correction1);
}

}  // namespace conopa::train
