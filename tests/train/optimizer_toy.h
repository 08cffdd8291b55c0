#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "conopa/core/rng.h"
#include "conopa/nn/convert.h"
#include "conopa/nn/parameters.h"
#include "tests/train/toy.h"

namespace conopa::train {

inline nn::Parameters toy_parameters() {
  arch::EncoderSpec spec = toy_config("unused").model.spec;
  spec.num_classes = 4;
  spec.resolve();
  nn::Parameters parameters{arch::TensorTable(spec)};
  parameters.initialize(3);
  return parameters;
}

/// The gradient of tensor i at a step: any values that differ.
inline void fill_gradients(nn::Parameters& parameters, std::uint64_t step) {
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    Rng rng(5, RngPurpose::kTest, step, i);
    at::Tensor grad = at::empty_like(parameters.tensors()[i].detach());
    for (float& g : nn::floats(grad)) g = static_cast<float>(rng.normal(0.0, 0.1));
    parameters.tensors()[i].mutable_grad() = grad;
  }
}

inline std::vector<double> values_of(const at::Tensor& tensor) {
  return nn::to_host(tensor).to_f64();
}

inline double norm_of(const std::vector<double>& values) {
  double sum = 0.0;
  for (const double v : values) sum += v * v;
  return std::sqrt(sum);
}

inline std::vector<double> minus(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> out;
  for (std::size_t i = 0; i < a.size(); ++i) out.push_back(a[i] - b[i]);
  return out;
}

inline OptimOptions toy_optim(OptimizerKind optimizer) {
  OptimOptions options;
  options.optimizer = optimizer;
  options.betas = {0.9, 0.95};
  options.eps = 1e-8;
  return options;
}

}  // namespace conopa::train
