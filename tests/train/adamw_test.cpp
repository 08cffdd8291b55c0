#include "conopa/train/adamw.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros_like.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/train/optimizer_toy.h"

namespace conopa::train {
namespace {

// The algorithm as published, in double.
struct Reference {
  std::vector<double> p, m, v;
  void step(const std::vector<double>& g, int t, double lr, double wd) {
    m.resize(p.size());
    v.resize(p.size());
    for (std::size_t i = 0; i < p.size(); ++i) {
      p[i] -= lr * wd * p[i];
      m[i] = 0.9 * m[i] + 0.1 * g[i];
      v[i] = 0.95 * v[i] + 0.05 * g[i] * g[i];
      const double m_hat = m[i] / (1.0 - std::pow(0.9, t));
      const double v_hat = v[i] / (1.0 - std::pow(0.95, t));
      p[i] -= lr * m_hat / (std::sqrt(v_hat) + 1e-8);
    }
  }
};

class AdamWTest : public testing::TestWithParam<nn::Ops> {};

TEST_P(AdamWTest, FollowsTheAlgorithmWithDecayByTheTable) {
  nn::Parameters parameters = toy_parameters();
  AdamW optimizer(parameters, toy_optim(OptimizerKind::kAdamW), GetParam());
  std::vector<Reference> references;
  for (const at::Tensor& tensor : parameters.tensors()) {
    references.push_back({.p = values_of(tensor), .m = {}, .v = {}});
  }
  for (int t = 1; t <= 5; ++t) {
    fill_gradients(parameters, static_cast<std::uint64_t>(t));
    optimizer.step(1e-2 / t, 0.1);
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const bool decay = parameters.table().entries()[i].decay;
      references[i].step(values_of(parameters.tensors()[i].grad()), t, 1e-2 / t, decay ? 0.1 : 0.0);
    }
  }
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    EXPECT_THAT(values_of(parameters.tensors()[i]),
                testing::Pointwise(testing::DoubleNear(2e-6), references[i].p))
        << parameters.table().entries()[i].name;
  }
  EXPECT_EQ(optimizer.steps(), 5);
}

TEST_P(AdamWTest, DecoupledDecayDoesNotDependOnTheSizeOfThePeak) {
  constexpr double kDecay = 0.1;
  for (const double peak : {1e-1, 1e-4}) {
    nn::Parameters parameters = toy_parameters();
    OptimOptions options = toy_optim(OptimizerKind::kAdamW);
    options.decoupled_decay = true;
    options.lr_peak = peak;
    AdamW optimizer(parameters, options, GetParam());
    std::vector<std::vector<double>> expected;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const at::Tensor& tensor = parameters.tensors()[i];
      tensor.mutable_grad() = at::zeros_like(tensor);  // nothing moves but by decay
      const double left = parameters.table().entries()[i].decay ? 0.9 * 0.95 : 1.0;
      expected.push_back(values_of(tensor));
      for (double& value : expected.back()) value *= left;
    }
    optimizer.step(peak, kDecay);
    optimizer.step(peak / 2.0, kDecay);
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      EXPECT_THAT(values_of(parameters.tensors()[i]),
                  testing::Pointwise(testing::DoubleNear(1e-6), expected[i]))
          << parameters.table().entries()[i].name << ", peak " << peak;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, AdamWTest, testing::Values(nn::Ops::kAuto, nn::Ops::kStock),
                         [](const auto& instance) {
                           return std::string(enum_name(instance.param));
                         });

}  // namespace
}  // namespace conopa::train
