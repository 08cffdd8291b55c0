#include "conopa/train/lars.h"

#include <ATen/core/Tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/train/optimizer_toy.h"

namespace conopa::train {
namespace {

// The rule in double: every tensor has a local rate, the buffer keeps scaled gradients.
struct Reference {
  std::vector<double> p, b;
  void step(const std::vector<double>& g, double lr, double wd) {
    b.resize(p.size());
    double rate = 1.0;
    if (norm_of(p) > 0.0 && norm_of(g) > 0.0) {
      rate = 1e-3 * norm_of(p) / (norm_of(g) + wd * norm_of(p) + 1e-8);
    }
    for (std::size_t i = 0; i < p.size(); ++i) {
      b[i] = 0.9 * b[i] + lr * rate * (g[i] + wd * p[i]);
      p[i] -= b[i];
    }
  }
};

class LarsTest : public testing::TestWithParam<nn::Ops> {};

TEST_P(LarsTest, FollowsTheRuleWithDecayByTheTable) {
  for (const double weight_decay : {0.0, 0.5}) {
    nn::Parameters parameters = toy_parameters();
    Lars optimizer(parameters, toy_optim(OptimizerKind::kLars), GetParam());
    std::vector<Reference> references;
    for (const at::Tensor& tensor : parameters.tensors()) {
      references.push_back({.p = values_of(tensor), .b = {}});
    }
    for (int t = 1; t <= 3; ++t) {
      fill_gradients(parameters, static_cast<std::uint64_t>(t));
      optimizer.step(6.4 / t, weight_decay);
      for (std::size_t i = 0; i < parameters.size(); ++i) {
        const bool decay = parameters.table().entries()[i].decay;
        references[i].step(values_of(parameters.tensors()[i].grad()), 6.4 / t,
                           decay ? weight_decay : 0.0);
      }
    }
    // Zero biases move by 6.4 times the gradient at first, so values are of order 1.
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      EXPECT_THAT(values_of(parameters.tensors()[i]),
                  testing::Pointwise(testing::DoubleNear(2e-6), references[i].p))
          << parameters.table().entries()[i].name << " with decay " << weight_decay;
    }
  }
}

TEST_P(LarsTest, MovesByATrustedPartOfTheLengthAndZeroTensorsByTheGradient) {
  nn::Parameters parameters = toy_parameters();
  Lars optimizer(parameters, toy_optim(OptimizerKind::kLars), GetParam());
  fill_gradients(parameters, 1);
  const at::Tensor& weight = parameters.require("head.weight");
  const at::Tensor& bias = parameters.require("head.bias");
  const std::vector<double> before = values_of(weight);
  ASSERT_EQ(norm_of(values_of(bias)), 0.0);
  optimizer.step(2.0, 0.0);
  EXPECT_NEAR(norm_of(minus(before, values_of(weight))), 2e-3 * norm_of(before), 1e-7);
  const std::vector<double> slope = values_of(bias.grad());
  for (std::size_t i = 0; i < slope.size(); ++i) {
    EXPECT_NEAR(values_of(bias)[i], -2.0 * slope[i], 1e-6);
  }
}

TEST_P(LarsTest, AZeroGradientLeavesMomentumAlone) {
  nn::Parameters parameters = toy_parameters();
  Lars optimizer(parameters, toy_optim(OptimizerKind::kLars), GetParam());
  fill_gradients(parameters, 1);
  const at::Tensor& weight = parameters.require("head.weight");
  const std::vector<double> start = values_of(weight);
  optimizer.step(2.0, 0.0);
  const std::vector<double> first = values_of(weight);
  for (const at::Tensor& tensor : parameters.tensors()) tensor.mutable_grad().zero_();
  optimizer.step(100.0, 0.0);  // the buffer holds scaled gradients: this rate does not touch them
  const std::vector<double> second = values_of(weight);
  for (std::size_t i = 0; i < first.size(); ++i) {
    EXPECT_NEAR(first[i] - second[i], 0.9 * (start[i] - first[i]), 1e-7);
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, LarsTest, testing::Values(nn::Ops::kAuto, nn::Ops::kStock),
                         [](const auto& instance) {
                           return std::string(enum_name(instance.param));
                         });

}  // namespace
}  // namespace conopa::train
