#include "conopa/train/gradients.h"

#include <ATen/core/Tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/train/optimizer_toy.h"

namespace conopa::train {
namespace {

TEST(L2NormTest, IsTheSameByKernelsAndStockOperations) {
  const nn::Parameters parameters = toy_parameters();
  const at::Tensor& tensor = parameters.require("head.weight");
  const double expected = norm_of(values_of(tensor));
  EXPECT_NEAR(l2_norm(tensor).item<double>(), expected, 1e-12 * expected);
  EXPECT_NEAR(l2_norm(tensor, nn::Ops::kStock).item<double>(), expected, 1e-12 * expected);
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
