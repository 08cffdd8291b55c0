#pragma once

#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "conopa/core/rng.h"
#include "conopa/nn/convert.h"
#include "conopa/nn/encoder.h"

namespace conopa::nn {

using Edit = std::function<void(arch::EncoderSpec&)>;

inline arch::EncoderSpec small_spec(const Edit& edit = {}) {
  arch::EncoderSpec spec;
  spec.height = 12;
  spec.width = 16;
  spec.patch = 4;
  spec.dim = 24;
  spec.heads = 3;
  spec.depth = 3;
  spec.num_classes = 5;
  spec.mlp_hidden = 40;
  if (edit) edit(spec);
  spec.resolve();
  return spec;
}

inline at::Tensor random_tensor(const Shape& shape, std::uint64_t index) {
  Rng rng(7, RngPurpose::kTest, 0, index);
  HostTensor out = HostTensor::zeros(DType::kF32, shape);
  for (float& value : out.mutable_data<float>()) value = static_cast<float>(rng.normal());
  return to_torch(out);
}

// All tensors random, norms and biases too, so that a wrong default shows.
inline void randomise(Encoder& encoder) {
  const at::NoGradGuard no_grad;
  std::uint64_t index = 100;
  for (at::Tensor tensor : encoder.parameters().tensors()) {
    const bool norm_like = tensor.dim() == 1;
    const at::Tensor noise = random_tensor(tensor.sizes().vec(), index++) * 0.2;
    tensor.copy_(norm_like ? noise + 0.5 : noise);
  }
}

inline at::Tensor images_of(const arch::EncoderSpec& spec, std::int64_t batch = 3) {
  return random_tensor({batch, spec.channels, spec.height, spec.width}, 1);
}

inline double difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>() / (b.abs().max().item<double>() + 1e-12);
}

inline std::vector<at::Tensor> gradients(const arch::EncoderSpec& spec,
                                         const ForwardOptions& options) {
  Encoder encoder(spec);
  randomise(encoder);
  const at::Tensor logits = encoder.forward(images_of(spec), options).logits;
  const at::Tensor targets = random_tensor({3, spec.num_classes}, 2).softmax(-1);
  soft_target_cross_entropy(logits, targets, options.exec).backward();
  std::vector<at::Tensor> out{logits.detach()};
  for (const at::Tensor& tensor : encoder.parameters().tensors()) {
    if (tensor.requires_grad()) out.push_back(tensor.grad());
  }
  return out;
}

inline void expect_equal(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b,
                         double tolerance) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    ASSERT_TRUE(a[i].defined() && b[i].defined()) << "tensor " << i;
    EXPECT_LT(difference(a[i], b[i]), tolerance) << "tensor " << i;
  }
}

inline void expect_fused_equals_stock(const arch::EncoderSpec& spec) {
  ForwardOptions options;
  options.training = true;
  options.exec.ops = Ops::kStock;
  const auto stock = gradients(spec, options);
  options.exec.ops = Ops::kFused;
  expect_equal(gradients(spec, options), stock, 2e-4);
}

inline void expect_checkpointing_changes_nothing(const arch::EncoderSpec& spec) {
  ForwardOptions options;
  options.training = true;
  const auto kept = gradients(spec, options);
  options.checkpoint_blocks = true;
  expect_equal(gradients(spec, options), kept, 1e-6);
}

/// Captures need every token, so that this also compares shortcuts with the full forward pass.
/// @return what was captured.
inline Capture expect_capture_changes_nothing(const arch::EncoderSpec& spec) {
  Encoder encoder(spec);
  randomise(encoder);
  Capture capture;
  ForwardOptions full;
  full.capture = &capture;
  EXPECT_LT(difference(encoder.forward(images_of(spec), {}).logits,
                       encoder.forward(images_of(spec), full).logits),
            1e-5);
  return capture;
}

/// A spec and what makes it special.
struct Variant {
  std::string name;
  Edit edit;
};

inline void PrintTo(const Variant& variant, std::ostream* out) { *out << variant.name; }

}  // namespace conopa::nn
