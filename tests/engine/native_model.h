#pragma once

// Runs the native engine on the weights of a libtorch encoder: the comparison of both executors.

#include <map>
#include <string>
#include <vector>

#include "conopa/engine/session.h"
#include "conopa/nn/convert.h"
#include "conopa/nn/encoder.h"

namespace conopa::engine {

/// Parameters as a source of weights.
inline MemorySource weights_of(const nn::Parameters& parameters) {
  std::vector<NamedTensor> tensors;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    tensors.push_back({parameters.table().entries()[i].name,
                       nn::to_host(parameters.tensors()[i].detach().to(at::kFloat))});
  }
  return MemorySource(std::move(tensors));
}

/// The tensors of an encoder as a source of weights.
inline MemorySource weights_of(const nn::Encoder& encoder) {
  return weights_of(encoder.parameters());
}

/// What a native run gives; layers are [B, N, D] without gaps.
struct NativeResult {
  std::vector<float> logits;
  std::vector<float> features;
  std::map<std::string, std::vector<float>> layers;  ///< empty unless asked for
};

enum class Layers : std::uint8_t { kSkipped, kShown };

/// @param images  [B, C, H, W], or token numbers [B, width] of models that read tokens.
/// @param prefix  [B] int64, or undefined.
inline NativeResult run_native(const Model& model, const at::Tensor& images, Layers layers,
                               const SessionOptions& options = {.threads = 2, .max_batch = 2},
                               const at::Tensor& prefix = {}) {
  const std::int64_t batch = images.size(0);
  const auto sized = [batch](std::int64_t width) {
    return std::vector<float>(static_cast<std::size_t>(batch * width));
  };
  NativeResult out{
      .logits = sized(model.spec().outputs()), .features = sized(model.spec().dim), .layers = {}};
  Session session(model, options);
  const Outputs outputs{.logits = out.logits, .features = out.features};
  RunOptions run;
  if (prefix.defined()) {
    run.prefix = {prefix.data_ptr<std::int64_t>(), static_cast<std::size_t>(prefix.numel())};
  }
  const auto keep = [&out](const LayerRows& rows) {
    std::vector<float>& all = out.layers[std::string(rows.name)];
    for (std::int64_t image = 0; image < rows.images; ++image) {
      for (std::int64_t token = 0; token < rows.tokens; ++token) {
        const std::span<const float> row = rows.row(image, token);
        all.insert(all.end(), row.begin(), row.end());
      }
    }
  };
  if (layers == Layers::kShown) run.observer = keep;
  if (model.spec().input == arch::Input::kTokens) {
    const at::Tensor tokens = images.to(at::kLong).contiguous();
    session.run_tokens({tokens.data_ptr<std::int64_t>(), static_cast<std::size_t>(tokens.numel())},
                       batch, outputs, run);
  } else {
    session.run(nn::floats(images.to(at::kFloat).contiguous()), batch, outputs, run);
  }
  return out;
}

}  // namespace conopa::engine
