#pragma once

// Comparing the native engine with the libtorch executor on random weights.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "conopa/core/rng.h"
#include "tests/engine/native_model.h"
#include "tests/nn/encoder_testing.h"

namespace conopa::engine {

/// Largest difference as a share of the largest expected value.
inline double difference(const std::vector<float>& found, const at::Tensor& expected) {
  const at::Tensor dense = expected.contiguous();
  const std::span<const float> values = nn::floats(dense);
  if (found.size() != values.size()) return 1e9;
  double worst = 0.0;
  double largest = 1e-12;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const double error = std::abs(static_cast<double>(found[i]) - static_cast<double>(values[i]));
    worst = std::isnan(error) ? 1e9 : std::max(worst, error);
    largest = std::max(largest, std::abs(static_cast<double>(values[i])));
  }
  return worst / largest;
}

/// Steps of a plausible size, some signed and some not, instead of noise.
inline void start_steps(nn::Encoder& encoder) {
  const auto& entries = encoder.parameters().table().entries();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    at::Tensor tensor = encoder.parameters().tensors()[i];
    if (entries[i].name.ends_with(".alpha")) tensor.abs_().mul_(0.1).add_(0.01);
    if (entries[i].name.ends_with(".zero_point")) tensor.mul_(20.0);
    if (entries[i].name.ends_with(".signed")) tensor.fill_(i % 3 == 0 ? 0.0 : 1.0);
    if (entries[i].name.ends_with(".init_state")) tensor.fill_(1.0);
  }
}

/// Images of a spec, or sequences of its tokens that end at different places.
inline at::Tensor inputs_of(const arch::EncoderSpec& spec, std::int64_t batch = 3) {
  if (spec.input == arch::Input::kImage) return nn::images_of(spec, batch);
  Rng rng(7, RngPurpose::kTest, 0, 1);
  HostTensor out = HostTensor::zeros(DType::kI64, {batch, spec.width});
  const std::span<std::int64_t> tokens = out.mutable_data<std::int64_t>();
  for (std::int64_t& token : tokens) {
    token = static_cast<std::int64_t>(rng.uniform(0.0, static_cast<double>(spec.end_token)));
  }
  for (std::int64_t b = 0; b < batch; ++b) {
    for (std::int64_t t = spec.width - 1 - b; t < spec.width; ++t) {
      tokens[static_cast<std::size_t>(b * spec.width + t)] = spec.end_token;
    }
  }
  return nn::to_torch(out);
}

/// An encoder of random values.
inline nn::Encoder random_encoder(const arch::EncoderSpec& spec) {
  nn::Encoder encoder(spec);
  nn::randomise(encoder);
  if (spec.quantization == arch::Quantization::kLsq) start_steps(encoder);
  if (spec.head_norm == arch::HeadNorm::kBatch) {
    encoder.parameters().require("head_norm.running_var").abs_().add_(0.5);
  }
  return encoder;
}

/// Logits and features with the shortcuts, every layer without them.
/// @param prefix  [3] or undefined.
inline void expect_agreement(const arch::EncoderSpec& spec, const ModelOptions& options,
                             double tolerance, const at::Tensor& prefix = {}) {
  const at::NoGradGuard no_grad;
  const nn::Encoder encoder = random_encoder(spec);
  const at::Tensor images = inputs_of(spec);
  const Model model = Model::load(spec, weights_of(encoder), options);
  const SessionOptions two{.threads = 2, .max_batch = 2};
  nn::ForwardOptions forward;
  forward.prefix = prefix;
  const nn::ForwardResult expected = encoder.forward(images, forward);
  const NativeResult direct = run_native(model, images, Layers::kSkipped, two, prefix);
  if (expected.logits.defined()) {
    EXPECT_LT(difference(direct.logits, expected.logits), tolerance) << "logits";
  }
  EXPECT_LT(difference(direct.features, expected.features), tolerance) << "features";

  nn::Capture capture;
  forward.capture = &capture;
  static_cast<void>(encoder.forward(images, forward));
  const NativeResult shown = run_native(model, images, Layers::kShown, two, prefix);
  EXPECT_LT(difference(shown.features, expected.features), tolerance) << "with all layers";
  const std::size_t language = spec.llm.present() ? 4 + arch::language_blocks(spec).size() : 0;
  EXPECT_EQ(shown.layers.size(), static_cast<std::size_t>(spec.blocks_to_run()) + 2 + language);
  for (const auto& [name, rows] : shown.layers) {
    if (name == "final_norm" && !capture.contains(name)) continue;  // not every read-out has it
    ASSERT_TRUE(capture.contains(name)) << name;
    EXPECT_LT(difference(rows, capture.at(name)), tolerance) << name;
  }
}

}  // namespace conopa::engine
