// The half that needs libtorch: a forward pass, a gradient and a schedule.
#include <ATen/Functions.h>
#include <conopa/nn/encoder.h>
#include <conopa/train/schedule.h>

bool training_works(const conopa::arch::EncoderSpec& spec);

bool training_works(const conopa::arch::EncoderSpec& spec) {
  conopa::nn::Encoder encoder(spec);
  encoder.parameters().initialize(1);
  const at::Tensor images = at::ones({2, spec.channels, spec.height, spec.width});
  const at::Tensor logits = encoder.forward(images, {}).logits;
  logits.square().sum().backward();
  const at::Tensor gradient = encoder.parameters().tensors().front().grad();
  const auto schedule = conopa::train::cosine_schedule(1.0, 0.0, 2, 5);
  return logits.size(1) == spec.num_classes && gradient.defined() && schedule.size() == 10;
}
