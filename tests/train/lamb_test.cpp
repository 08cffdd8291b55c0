#include "conopa/train/lamb.h"

#include <ATen/core/Tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/train/optimizer_toy.h"

namespace conopa::train {
namespace {

// The rule in double: bias correction, decoupled decay inside the update, trust ratio.
struct Reference {
  std::vector<double> p, m, v;
  void step(const std::vector<double>& g, int t, double lr, double wd) {
    m.resize(p.size());
    v.resize(p.size());
    std::vector<double> u(p.size());
    for (std::size_t i = 0; i < p.size(); ++i) {
      m[i] = 0.9 * m[i] + 0.1 * g[i];
      v[i] = 0.95 * v[i] + 0.05 * g[i] * g[i];
      const double m_hat = m[i] / (1.0 - std::pow(0.9, t));
      const double v_hat = v[i] / (1.0 - std::pow(0.95, t));
      u[i] = m_hat / (std::sqrt(v_hat) + 1e-8) + wd * p[i];
    }
    double ratio = 1.0;
    if (wd != 0.0 && norm_of(p) > 0.0 && norm_of(u) > 0.0) ratio = norm_of(p) / norm_of(u);
    for (std::size_t i = 0; i < p.size(); ++i) p[i] -= lr * ratio * u[i];
  }
};

class LambTest : public testing::TestWithParam<nn::Ops> {};

TEST_P(LambTest, FollowsTheRuleWithDecayByTheTable) {
  nn::Parameters parameters = toy_parameters();
  Lamb optimizer(parameters, toy_optim(OptimizerKind::kLamb), GetParam());
  std::vector<Reference> references;
  for (const at::Tensor& tensor : parameters.tensors()) {
    references.push_back({.p = values_of(tensor), .m = {}, .v = {}});
  }
  for (int t = 1; t <= 3; ++t) {
    fill_gradients(parameters, static_cast<std::uint64_t>(t));
    optimizer.step(1e-2 / t, 0.1);
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const bool decay = parameters.table().entries()[i].decay;
      references[i].step(values_of(parameters.tensors()[i].grad()), t, 1e-2 / t, decay ? 0.1 : 0.0);
    }
  }
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    EXPECT_THAT(values_of(parameters.tensors()[i]),
                testing::Pointwise(testing::DoubleNear(1e-6), references[i].p))
        << parameters.table().entries()[i].name;
  }
}

TEST_P(LambTest, MovesDecayedTensorsByTheirOwnLength) {
  nn::Parameters parameters = toy_parameters();
  Lamb optimizer(parameters, toy_optim(OptimizerKind::kLamb), GetParam());
  fill_gradients(parameters, 1);
  const at::Tensor& weight = parameters.require("head.weight");
  const at::Tensor& gain = parameters.require("norm.weight");
  const std::vector<double> weight_before = values_of(weight);
  const std::vector<double> gain_before = values_of(gain);
  optimizer.step(0.01, 0.05);
  EXPECT_NEAR(norm_of(minus(weight_before, values_of(weight))), 0.01 * norm_of(weight_before),
              1e-6);
  // Without decay the first step is lr in every element: m̂/√v̂ is the gradient's sign.
  for (const double change : minus(gain_before, values_of(gain))) {
    EXPECT_NEAR(std::abs(change), 0.01, 1e-6);
  }
}

TEST_P(LambTest, HasNoTrustRatioForZeroWeightsOrWithoutDecay) {
  nn::Parameters parameters = toy_parameters();
  const at::Tensor& zero = parameters.require("head.weight");
  zero.detach().zero_();
  const at::Tensor& other = parameters.require("blocks.0.attn.qkv.weight");
  const std::vector<double> before = values_of(other);
  Lamb optimizer(parameters, toy_optim(OptimizerKind::kLamb), GetParam());
  fill_gradients(parameters, 1);
  optimizer.step(0.01, 0.05);
  for (const double value : values_of(zero)) EXPECT_NEAR(std::abs(value), 0.01, 1e-6);
  EXPECT_NEAR(norm_of(minus(before, values_of(other))), 0.01 * norm_of(before), 1e-6);

  nn::Parameters plain = toy_parameters();
  Lamb without(plain, toy_optim(OptimizerKind::kLamb), GetParam());
  fill_gradients(plain, 1);
  without.step(0.01, 0.0);
  const std::vector<double> after = values_of(plain.require("blocks.0.attn.qkv.weight"));
  for (const double change : minus(before, after)) EXPECT_NEAR(std::abs(change), 0.01, 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Ops, LambTest, testing::Values(nn::Ops::kAuto, nn::Ops::kStock),
                         [](const auto& instance) {
                           return std::string(enum_name(instance.param));
                         });

}  // namespace
}  // namespace conopa::train
