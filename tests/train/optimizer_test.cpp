// What every optimiser has in common, over all of them.

#include "conopa/train/optimizer.h"

#include <ATen/core/Tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/core/error.h"
#include "tests/train/optimizer_toy.h"

namespace conopa::train {
namespace {

class OptimizerTest : public testing::TestWithParam<OptimizerKind> {
 protected:
  [[nodiscard]] static std::unique_ptr<Optimizer> make(nn::Parameters& parameters) {
    return make_optimizer(parameters, toy_optim(GetParam()));
  }
};

TEST_P(OptimizerTest, ScalesGradients) {
  nn::Parameters scaled = toy_parameters();
  nn::Parameters plain = toy_parameters();
  const auto a = make(scaled);
  const auto b = make(plain);
  for (std::uint64_t t = 1; t <= 2; ++t) {
    fill_gradients(scaled, t);
    fill_gradients(plain, t);
    for (const at::Tensor& tensor : plain.tensors()) tensor.mutable_grad().mul_(0.25);
    a->step(1e-2, 0.1, 0.25);
    b->step(1e-2, 0.1);
  }
  // The scale meets the gradient at another place: a rounding or two apart.
  for (std::size_t i = 0; i < plain.size(); ++i) {
    EXPECT_THAT(values_of(scaled.tensors()[i]),
                testing::Pointwise(testing::DoubleNear(1e-7), values_of(plain.tensors()[i])));
  }
}

TEST_P(OptimizerTest, LayerDecayFallsFromTheHead) {
  nn::Parameters parameters = toy_parameters();
  OptimOptions options = toy_optim(GetParam());
  options.layer_decay = 0.5;
  const auto optimizer = make_optimizer(parameters, options);
  const auto factor = [&](std::string_view name) {
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      if (parameters.table().entries()[i].name == name) return optimizer->lr_factor(i);
    }
    return -1.0;
  };
  EXPECT_EQ(factor("head.weight"), 1.0);
  EXPECT_EQ(factor("blocks.1.attn.qkv.weight"), 0.5);
  EXPECT_EQ(factor("blocks.0.attn.qkv.weight"), 0.25);
  EXPECT_EQ(factor("patch_embed.proj.weight"), 0.125);
}

TEST_P(OptimizerTest, LayerDecayScalesTheStep) {
  nn::Parameters decayed = toy_parameters();
  nn::Parameters plain = toy_parameters();
  OptimOptions options = toy_optim(GetParam());
  options.layer_decay = 0.5;
  const auto a = make_optimizer(decayed, options);
  const auto b = make(plain);
  fill_gradients(decayed, 1);
  fill_gradients(plain, 1);
  const std::vector<double> before = values_of(plain.require("patch_embed.proj.weight"));
  a->step(1e-2, 0.0);
  b->step(1e-2, 0.0);
  const auto moved = [&](const nn::Parameters& parameters) {
    return norm_of(minus(before, values_of(parameters.require("patch_embed.proj.weight"))));
  };
  EXPECT_NEAR(moved(decayed), 0.125 * moved(plain), 1e-3 * moved(plain));
}

TEST_P(OptimizerTest, LeavesTensorsWithoutGradientAlone) {
  nn::Parameters parameters = toy_parameters();
  const auto optimizer = make(parameters);
  fill_gradients(parameters, 1);
  const at::Tensor& head = parameters.require("head.weight");
  head.mutable_grad() = at::Tensor();
  const std::vector<double> before = values_of(head);
  optimizer->step(1e-2, 0.1);
  EXPECT_EQ(values_of(head), before);
}

TEST_P(OptimizerTest, KeepsNoStateForFrozenTensorsAndDoesNotTouchThem) {
  nn::Parameters parameters = toy_parameters();
  const at::Tensor& frozen = parameters.require("patch_embed.proj.weight");
  fill_gradients(parameters, 1);
  const std::vector<double> before = values_of(frozen);
  const std::size_t all = make(parameters)->state().size();
  frozen.set_requires_grad(false);
  const auto optimizer = make(parameters);
  EXPECT_EQ(optimizer->state().size(), all - all / parameters.size());
  for (const NamedTensor& tensor : optimizer->state()) {
    EXPECT_THAT(tensor.name, testing::Not(testing::HasSubstr("patch_embed.proj.weight")));
  }
  optimizer->step(1e-2, 0.1);
  EXPECT_EQ(values_of(frozen), before);
}

TEST_P(OptimizerTest, ContinuesExactlyFromItsExportedState) {
  nn::Parameters straight = toy_parameters();
  nn::Parameters resumed = toy_parameters();
  const auto a = make(straight);
  const auto first = make(resumed);
  for (std::uint64_t t = 1; t <= 2; ++t) {
    fill_gradients(resumed, t);
    first->step(1e-2, 0.1);
  }
  const std::vector<NamedTensor> saved = first->state();
  const auto second = make(resumed);
  second->load_state(MemorySource(saved), 2);
  EXPECT_EQ(second->steps(), 2);
  for (std::uint64_t t = 1; t <= 4; ++t) {
    fill_gradients(straight, t);
    a->step(1e-2, 0.1);
    if (t <= 2) continue;
    fill_gradients(resumed, t);
    second->step(1e-2, 0.1);
  }
  for (std::size_t i = 0; i < straight.size(); ++i) {
    EXPECT_EQ(values_of(straight.tensors()[i]), values_of(resumed.tensors()[i]));
  }
}

TEST_P(OptimizerTest, RefusesAForeignState) {
  nn::Parameters parameters = toy_parameters();
  const auto optimizer = make(parameters);
  EXPECT_THROW(optimizer->load_state(MemorySource({}), 1), FormatError);
  EXPECT_EQ(optimizer->steps(), 0);
}

INSTANTIATE_TEST_SUITE_P(Kinds, OptimizerTest,
                         testing::Values(OptimizerKind::kAdamW, OptimizerKind::kLamb,
                                         OptimizerKind::kLars),
                         [](const auto& instance) {
                           return std::string(enum_name(instance.param));
                         });

}  // namespace
}  // namespace conopa::train
