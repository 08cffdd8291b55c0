#include "conopa/train/weight_average.h"

#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "conopa/kernels/adamw.h"
#include "conopa/nn/convert.h"
#include "conopa/train/optimizer.h"

namespace conopa::train {

WeightAverage::WeightAverage(nn::Parameters& parameters, const Options& options)
    : parameters_(parameters), options_(options) {
  reset();
}

void WeightAverage::reset() {
  const at::NoGradGuard no_grad;
  average_.clear();
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const at::Tensor weights = parameters_.tensors()[i].detach();
    average_.push_back(is_frozen(i) ? weights : weights.clone());
  }
  updates_ = 0;
}

bool WeightAverage::is_frozen(std::size_t i) const {
  return parameters_.table().entries()[i].frozen;
}

void WeightAverage::update() {
  const at::NoGradGuard no_grad;
  const auto t = static_cast<double>(updates_++);
  const double decay =
      options_.warmup ? std::min(options_.decay, (1.0 + t) / (10.0 + t)) : options_.decay;
  for (std::size_t i = 0; i < average_.size(); ++i) {
    if (is_frozen(i)) continue;
    const at::Tensor weights = parameters_.tensors()[i].detach();
    if (!parameters_.tensors()[i].requires_grad()) {
      average_[i].copy_(weights);
    } else if (weights.device().is_cpu() && options_.ops != nn::Ops::kStock) {
      kernels::ema_update(nn::floats(average_[i]), nn::floats(weights), decay);
    } else {
      average_[i].mul_(decay).add_(weights, 1.0 - decay);
    }
  }
}

void WeightAverage::load(const TensorSource& source, std::int64_t updates) {
  for (std::size_t i = 0; i < average_.size(); ++i) {
    const std::string& name = parameters_.table().entries()[i].name;
    if (!is_frozen(i)) copy_from(source, name, average_[i]);
  }
  updates_ = updates;
}

AverageScope::AverageScope(nn::Parameters& parameters, const WeightAverage* average)
    : parameters_(parameters) {
  if (average == nullptr) return;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    weights_.push_back(parameters.tensors()[i].detach());
    parameters.tensors()[i].set_data(average->tensors()[i]);
  }
}

AverageScope::~AverageScope() {
  for (std::size_t i = 0; i < weights_.size(); ++i) parameters_.tensors()[i].set_data(weights_[i]);
}

}  // namespace conopa::train
