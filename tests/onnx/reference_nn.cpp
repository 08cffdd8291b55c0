// Expected outputs by the libtorch executor with stock operations.

#include <c10/core/GradMode.h>

#include <optional>
#include <string>

#include "conopa/nn/convert.h"
#include "conopa/nn/encoder.h"
#include "tests/onnx/reference.h"

namespace conopa::onnx::testing {

bool reference_runs(const arch::EncoderSpec&) { return true; }

Expected expected_outputs(const arch::EncoderSpec& spec, const TensorSource& weights,
                          const HostTensor& input) {
  const at::NoGradGuard no_grad;
  nn::Encoder encoder(spec);
  encoder.parameters().load(
      [&](const std::string& name) -> std::optional<HostTensor> { return weights.read(name); },
      nn::LoadPolicy::kStrict, weights.where());
  nn::ForwardOptions options;
  options.exec.ops = nn::Ops::kStock;
  const nn::ForwardResult result = encoder.forward(nn::to_torch(input), options);
  Expected out{.features = nn::to_host(result.features), .logits = {}};
  if (result.logits.defined()) out.logits = nn::to_host(result.logits);
  return out;
}

}  // namespace conopa::onnx::testing
