#include "conopa/train/optimizer.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "conopa/core/error.h"
#include "conopa/core/rng.h"
#include "conopa/nn/convert.h"
#include "conopa/nn/encoder.h"
#include "tests/train/toy.h"

namespace conopa::train {
namespace {

arch::EncoderSpec toy_spec() {
  arch::EncoderSpec spec = toy_config("unused").model.spec;
  spec.num_classes = 4;
  spec.resolve();
  return spec;
}

nn::Parameters toy_parameters() {
  nn::Parameters parameters{arch::TensorTable(toy_spec())};
  parameters.initialize(3);
  return parameters;
}

// The gradient of tensor i at a step: any values that differ.
void fill_gradients(nn::Parameters& parameters, std::uint64_t step) {
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    Rng rng(5, RngPurpose::kTest, step, i);
    at::Tensor grad = at::empty_like(parameters.tensors()[i].detach());
    for (float& g : nn::floats(grad)) g = static_cast<float>(rng.normal(0.0, 0.1));
    parameters.tensors()[i].mutable_grad() = grad;
  }
}

std::vector<double> values_of(const at::Tensor& tensor) { return nn::to_host(tensor).to_f64(); }

OptimOptions toy_optim() {
  OptimOptions options;
  options.betas = {0.9, 0.95};
  options.eps = 1e-8;
  return options;
}

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
  AdamW optimizer(parameters, toy_optim(), GetParam());
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

TEST_P(AdamWTest, ScalesGradients) {
  nn::Parameters scaled = toy_parameters();
  nn::Parameters plain = toy_parameters();
  AdamW a(scaled, toy_optim(), GetParam());
  AdamW b(plain, toy_optim(), GetParam());
  fill_gradients(scaled, 1);
  fill_gradients(plain, 1);
  for (const at::Tensor& tensor : plain.tensors()) tensor.mutable_grad().mul_(0.25);
  a.step(1e-2, 0.0, 0.25);
  b.step(1e-2, 0.0);
  for (std::size_t i = 0; i < plain.size(); ++i) {
    EXPECT_EQ(values_of(scaled.tensors()[i]), values_of(plain.tensors()[i]));
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, AdamWTest, testing::Values(nn::Ops::kAuto, nn::Ops::kStock),
                         [](const auto& instance) {
                           return std::string(enum_name(instance.param));
                         });

TEST(AdamWGroupsTest, LayerDecayFallsFromTheHead) {
  nn::Parameters parameters = toy_parameters();
  OptimOptions options = toy_optim();
  options.layer_decay = 0.5;
  const AdamW optimizer(parameters, options);
  const auto factor = [&](std::string_view name) {
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      if (parameters.table().entries()[i].name == name) return optimizer.lr_factor(i);
    }
    return -1.0;
  };
  EXPECT_EQ(factor("head.weight"), 1.0);
  EXPECT_EQ(factor("blocks.1.attn.qkv.weight"), 0.5);
  EXPECT_EQ(factor("blocks.0.attn.qkv.weight"), 0.25);
  EXPECT_EQ(factor("patch_embed.proj.weight"), 0.125);
}

TEST(AdamWGroupsTest, LeavesTensorsWithoutGradientAlone) {
  nn::Parameters parameters = toy_parameters();
  AdamW optimizer(parameters, toy_optim());
  fill_gradients(parameters, 1);
  const at::Tensor& head = parameters.require("head.weight");
  head.mutable_grad() = at::Tensor();
  const std::vector<double> before = values_of(head);
  optimizer.step(1e-2, 0.1);
  EXPECT_EQ(values_of(head), before);
}

TEST(AdamWStateTest, ContinuesExactlyFromItsExportedState) {
  nn::Parameters straight = toy_parameters();
  nn::Parameters resumed = toy_parameters();
  AdamW a(straight, toy_optim());
  std::vector<NamedTensor> saved;
  {
    AdamW first(resumed, toy_optim());
    for (std::uint64_t t = 1; t <= 2; ++t) {
      fill_gradients(resumed, t);
      first.step(1e-2, 0.1);
    }
    saved = first.state();
  }
  AdamW second(resumed, toy_optim());
  second.load_state(MemorySource(saved), 2);
  for (std::uint64_t t = 1; t <= 4; ++t) {
    fill_gradients(straight, t);
    a.step(1e-2, 0.1);
    if (t <= 2) continue;
    fill_gradients(resumed, t);
    second.step(1e-2, 0.1);
  }
  for (std::size_t i = 0; i < straight.size(); ++i) {
    EXPECT_EQ(values_of(straight.tensors()[i]), values_of(resumed.tensors()[i]));
  }
}

TEST(AdamWStateTest, RefusesAForeignState) {
  nn::Parameters parameters = toy_parameters();
  AdamW optimizer(parameters, toy_optim());
  EXPECT_THROW(optimizer.load_state(MemorySource({}), 1), FormatError);
  EXPECT_EQ(optimizer.steps(), 0);
}

TEST(GradientNormTest, IsTheNormOfAllGradientsTogether) {
  nn::Parameters parameters = toy_parameters();
  fill_gradients(parameters, 7);
  double sum = 0.0;
  for (const at::Tensor& tensor : parameters.tensors()) {
    for (const double g : values_of(tensor.grad())) sum += g * g;
  }
  EXPECT_NEAR(gradient_norm(parameters).item<double>(), std::sqrt(sum), 1e-12 * std::sqrt(sum));
  EXPECT_NEAR(gradient_norm(parameters, nn::Ops::kStock).item<double>(), std::sqrt(sum),
              1e-12 * std::sqrt(sum));
}

TEST(GradientNormTest, ShowsASingleValueThatIsNotFinite) {
  nn::Parameters parameters = toy_parameters();
  fill_gradients(parameters, 7);
  nn::floats(parameters.tensors().back().grad())[0] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(gradient_norm(parameters).item<double>()));
}

TEST(ClipTest, LimitsTheNormAndNeverRaisesIt) {
  EXPECT_EQ(clip_factor(0.5, 1.0), 1.0);
  EXPECT_NEAR(clip_factor(4.0, 1.0), 0.25, 1e-6);
  EXPECT_EQ(clip_factor(4.0, 0.0), 1.0);
}

TEST(ClipTest, OnTheDeviceEqualsTheFactor) {
  nn::Parameters parameters = toy_parameters();
  fill_gradients(parameters, 9);
  const at::Tensor norm = gradient_norm(parameters);
  clip_gradients(parameters, norm, 0.5);
  EXPECT_NEAR(gradient_norm(parameters).item<double>(), 0.5, 1e-5);
}

}  // namespace
}  // namespace conopa::train
