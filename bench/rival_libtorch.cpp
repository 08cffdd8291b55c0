// Inference of a model folder out of stock libtorch operations, as JSON rows; a rival of `conopa
// bench` in bench/rivals.
//   rival_libtorch DIR --batches 1 8 --threads 2
// Precisions: fp32; bf16, matrices converted to bfloat16 once and the rest under libtorch's
// autocast; bf16_autocast, float32 weights under autocast, which converts them in every run.

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>

#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "bench/rival_command.h"
#include "bench/rival_rows.h"
#include "conopa/arch/encoder_spec.h"
#include "conopa/core/rng.h"
#include "conopa/io/model_folder.h"
#include "conopa/nn/convert.h"
#include "conopa/nn/encoder.h"

namespace conopa::bench {
namespace {

at::Tensor random_images(const arch::EncoderSpec& spec, std::int64_t batch) {
  HostTensor images =
      HostTensor::zeros(DType::kF32, {batch, spec.channels, spec.height, spec.width});
  Rng rng(0, RngPurpose::kTest, 0, 0);
  for (float& value : images.mutable_data<float>()) value = static_cast<float>(rng.normal());
  return nn::to_torch(images);
}

int measure(const RivalSettings& settings) {
  const at::NoGradGuard no_grad;
  at::set_num_threads(static_cast<int>(settings.threads));
  const std::int64_t threads = at::get_num_threads();
  const ModelFolder folder = open_model_folder(settings.model);
  const arch::EncoderSpec spec = arch::spec_from_json(folder.config_json, settings.model);
  std::vector<RivalRow> rows;
  for (const std::string& precision : settings.precisions) {
    nn::Encoder encoder(spec);
    encoder.parameters().load(
        [&](const std::string& name) -> std::optional<HostTensor> {
          return folder.weights->read(name);
        },
        nn::LoadPolicy::kStrict, settings.model);
    for (at::Tensor tensor : encoder.parameters().tensors()) {
      if (precision == "bf16" && tensor.dim() == 2) tensor.set_data(tensor.to(at::kBFloat16));
    }
    nn::ForwardOptions options;
    options.exec.ops = nn::Ops::kStock;
    if (precision != "fp32") options.exec.precision = nn::Precision::kBf16;
    for (const std::int64_t batch : settings.batches) {
      const at::Tensor images = random_images(spec, batch);
      rows.push_back({.precision = precision, .batch = batch, .threads = threads});
      time_runs(
          settings.repeats, [&] { static_cast<void>(encoder.forward(images, options)); },
          rows.back());
    }
  }
  print_rows(rows);
  return 0;
}

}  // namespace
}  // namespace conopa::bench

int main(int argc, char** argv) {
  return conopa::bench::rival_main(argc, argv, "inference out of stock libtorch operations",
                                   {.model = {}, .precisions = {"fp32", "bf16", "bf16_autocast"}},
                                   conopa::bench::measure);
}
