#include "conopa/train/weight_average.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "conopa/nn/convert.h"
#include "conopa/train/optimizer.h"
#include "tests/train/toy.h"

namespace conopa::train {
namespace {

nn::Parameters toy_parameters(float value) {
  arch::EncoderSpec spec = toy_config("unused").model.spec;
  spec.resolve();
  nn::Parameters parameters{arch::TensorTable(spec)};
  for (const at::Tensor& tensor : parameters.tensors()) tensor.detach().fill_(value);
  return parameters;
}

void set_all(nn::Parameters& parameters, float value) {
  for (const at::Tensor& tensor : parameters.tensors()) tensor.detach().fill_(value);
}

class WeightAverageTest : public testing::TestWithParam<nn::Ops> {};

TEST_P(WeightAverageTest, FollowsTheFormula) {
  nn::Parameters parameters = toy_parameters(1.0F);
  WeightAverage average(parameters, {.decay = 0.75, .warmup = false, .ops = GetParam()});
  double expected = 1.0;
  for (const float value : {2.0F, 3.0F, -1.0F}) {
    set_all(parameters, value);
    average.update();
    expected = 0.75 * expected + 0.25 * static_cast<double>(value);
  }
  for (const at::Tensor& tensor : average.tensors()) {
    EXPECT_THAT(nn::floats(tensor),
                testing::Each(testing::FloatNear(static_cast<float>(expected), 1e-6F)));
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, WeightAverageTest, testing::Values(nn::Ops::kAuto, nn::Ops::kStock),
                         [](const auto& instance) {
                           return std::string(enum_name(instance.param));
                         });

TEST(WeightAverageWarmupTest, FollowsFasterAtFirst) {
  nn::Parameters parameters = toy_parameters(0.0F);
  WeightAverage average(parameters, {.decay = 0.999, .warmup = true});
  set_all(parameters, 1.0F);
  average.update();
  EXPECT_NEAR(nn::floats(average.tensors()[0])[0], 1.0 - 0.1, 1e-6);
  average.update();
  EXPECT_NEAR(nn::floats(average.tensors()[0])[0], 1.0 - 0.1 * 2.0 / 11.0, 1e-6);
}

TEST(AverageScopeTest, ExchangesForItsLifetimeOnly) {
  nn::Parameters parameters = toy_parameters(1.0F);
  WeightAverage average(parameters, {.decay = 0.5, .warmup = false});
  set_all(parameters, 3.0F);
  average.update();
  {
    const AverageScope scope(parameters, &average);
    EXPECT_EQ(nn::floats(parameters.tensors()[0])[0], 2.0F);
  }
  EXPECT_EQ(nn::floats(parameters.tensors()[0])[0], 3.0F);
  EXPECT_TRUE(parameters.tensors()[0].requires_grad());
}

TEST(AverageScopeTest, DoesNothingWithoutAnAverage) {
  nn::Parameters parameters = toy_parameters(1.0F);
  const AverageScope scope(parameters, nullptr);
  EXPECT_EQ(nn::floats(parameters.tensors()[0])[0], 1.0F);
}

}  // namespace
}  // namespace conopa::train
