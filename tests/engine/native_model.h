#pragma once

// Runs the native engine on the weights of a libtorch encoder: the comparison of both executors.

#include <map>
#include <string>
#include <vector>

#include "conopa/engine/session.h"
#include "conopa/nn/convert.h"
#include "conopa/nn/encoder.h"

namespace conopa::engine {

/// The tensors of an encoder as a source of weights.
inline MemorySource weights_of(const nn::Encoder& encoder) {
  std::vector<NamedTensor> tensors;
  const nn::Parameters& parameters = encoder.parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    tensors.push_back({parameters.table().entries()[i].name,
                       nn::to_host(parameters.tensors()[i].detach().to(at::kFloat))});
  }
  return MemorySource(std::move(tensors));
}

/// What a native run gives; layers are [B, N, D] without gaps.
struct NativeResult {
  std::vector<float> logits;
  std::vector<float> features;
  std::map<std::string, std::vector<float>> layers;  ///< empty unless asked for
};

enum class Layers : std::uint8_t { kSkipped, kShown };

inline NativeResult run_native(const Model& model, const at::Tensor& images, Layers layers,
                               const SessionOptions& options = {.threads = 2, .max_batch = 2}) {
  const at::Tensor dense = images.to(at::kFloat).contiguous();
  const std::int64_t batch = dense.size(0);
  const auto sized = [batch](std::int64_t width) {
    return std::vector<float>(static_cast<std::size_t>(batch * width));
  };
  NativeResult out{
      .logits = sized(model.spec().num_classes), .features = sized(model.spec().dim), .layers = {}};
  Session session(model, options);
  const Outputs outputs{.logits = out.logits, .features = out.features};
  if (layers == Layers::kSkipped) {
    session.run(nn::floats(dense), batch, outputs);
    return out;
  }
  session.run(nn::floats(dense), batch, outputs, [&out](const LayerRows& rows) {
    std::vector<float>& all = out.layers[std::string(rows.name)];
    for (std::int64_t image = 0; image < rows.images; ++image) {
      for (std::int64_t token = 0; token < rows.tokens; ++token) {
        const std::span<const float> row = rows.row(image, token);
        all.insert(all.end(), row.begin(), row.end());
      }
    }
  });
  return out;
}

}  // namespace conopa::engine
