#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "conopa/core/rng.h"
#include "conopa/nn/convert.h"
#include "conopa/nn/ops.h"

namespace conopa::nn {
namespace {

constexpr std::int64_t kBatch = 3;
constexpr std::int64_t kClasses = 5;

at::Tensor filled(const std::vector<double>& values) {
  HostTensor out = HostTensor::zeros(DType::kF32, {kBatch, kClasses});
  for (std::size_t i = 0; i < values.size(); ++i) {
    out.mutable_data<float>()[i] = static_cast<float>(values[i]);
  }
  return to_torch(out);
}

std::vector<double> random_logits() {
  Rng rng(11, RngPurpose::kTest, 0, 0);
  std::vector<double> out;
  for (std::int64_t i = 0; i < kBatch * kClasses; ++i) {
    out.push_back(static_cast<float>(rng.normal(0.0, 3.0)));
  }
  return out;
}

std::vector<double> random_targets() {
  Rng rng(12, RngPurpose::kTest, 0, 0);
  std::vector<double> out;
  for (std::int64_t i = 0; i < kBatch * kClasses; ++i) {
    out.push_back(static_cast<float>(i % 3 == 0 ? rng.uniform() : static_cast<double>(i % 2)));
  }
  return out;
}

// The definition, with the probabilities written out.
double reference(const std::vector<double>& logits, const std::vector<double>& targets) {
  double sum = 0.0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double p = 1.0 / (1.0 + std::exp(-logits[i]));
    sum -= targets[i] * std::log(p) + (1.0 - targets[i]) * std::log(1.0 - p);
  }
  return sum / static_cast<double>(logits.size());
}

TEST(BinaryCrossEntropyTest, IsTheMeanOverImagesAndClasses) {
  const std::vector<double> logits = random_logits();
  const std::vector<double> targets = random_targets();
  for (const Ops ops : {Ops::kAuto, Ops::kStock}) {
    EXPECT_NEAR(
        binary_cross_entropy(filled(logits), filled(targets), Exec{.ops = ops}).item<double>(),
        reference(logits, targets), 1e-6);
  }
}

TEST(BinaryCrossEntropyTest, GradientAgreesWithFiniteDifferences) {
  const std::vector<double> logits = random_logits();
  const std::vector<double> targets = random_targets();
  at::Tensor leaf = filled(logits);
  leaf.set_requires_grad(true);
  binary_cross_entropy(leaf, filled(targets), Exec{}).backward();
  const std::vector<double> gradient = to_host(leaf.grad()).to_f64();
  constexpr double kStep = 1e-4;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    std::vector<double> up = logits;
    std::vector<double> down = logits;
    up[i] += kStep;
    down[i] -= kStep;
    const double slope = (reference(up, targets) - reference(down, targets)) / (2.0 * kStep);
    EXPECT_NEAR(gradient[i], slope, 1e-7) << i;
  }
}

TEST(BinaryCrossEntropyTest, StaysExactForHugeLogits) {
  std::vector<double> logits(kBatch * kClasses, 500.0);
  std::vector<double> targets(kBatch * kClasses, 1.0);
  EXPECT_EQ(binary_cross_entropy(filled(logits), filled(targets), Exec{}).item<double>(), 0.0);
  targets.assign(targets.size(), 0.0);
  EXPECT_EQ(binary_cross_entropy(filled(logits), filled(targets), Exec{}).item<double>(), 500.0);
  logits.assign(logits.size(), -500.0);
  targets.assign(targets.size(), 1.0);
  EXPECT_EQ(binary_cross_entropy(filled(logits), filled(targets), Exec{}).item<double>(), 500.0);
}

}  // namespace
}  // namespace conopa::nn
