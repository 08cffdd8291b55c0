#include "conopa/train/lars.h"

#include <ATen/TensorOperators.h>

#include "conopa/train/gradients.h"
#include "train/trust_ratio.h"

namespace conopa::train {

Lars::Lars(nn::Parameters& parameters, const OptimOptions& options, nn::Ops ops)
    : Optimizer(parameters, options, ops, {"momentum_buffer"}),
      momentum_(options.momentum),
      trust_(options.trust),
      eps_(options.eps) {}

void Lars::update(const at::Tensor& parameter, std::span<const at::Tensor> moments,
                  const Update& numbers) const {
  const at::Tensor& grad = parameter.grad();
  const at::Tensor& buffer = moments[0];
  const double decay = numbers.weight_decay;
  const at::Tensor weights = l2_norm(parameter, ops());
  const at::Tensor slope = l2_norm(grad, ops()) * numbers.grad_scale;
  const at::Tensor rate =
      ratio_or_one(weights, slope, weights * trust_ / (slope + weights * decay + eps_));
  at::Tensor change = grad * (rate * (numbers.lr * numbers.grad_scale));
  if (decay != 0.0) change.add_(parameter * (rate * (numbers.lr * decay)));
  buffer.mul_(momentum_).add_(change);
  parameter.sub_(buffer);
}

}  // namespace conopa::train
