// Expected outputs by the native engine in float32.

#include "conopa/engine/session.h"
#include "tests/onnx/reference.h"

namespace conopa::onnx::testing {

bool reference_runs(const arch::EncoderSpec& spec) {
  return spec.quantization == arch::Quantization::kNone;
}

Expected expected_outputs(const arch::EncoderSpec& spec, const TensorSource& weights,
                          const HostTensor& input) {
  engine::Session session(
      engine::Model::load(spec, weights, {.precision = engine::Precision::kFp32}));
  const std::int64_t batch = input.dim(0);
  Expected out{.features = HostTensor::zeros(DType::kF32, {batch, spec.dim}), .logits = {}};
  engine::Outputs outputs{.features = out.features.mutable_data<float>()};
  if (spec.outputs() > 0) {
    out.logits = HostTensor::zeros(DType::kF32, {batch, spec.outputs()});
    outputs.logits = out.logits.mutable_data<float>();
  }
  if (spec.input == arch::Input::kTokens) {
    session.run_tokens(input.data<std::int64_t>(), batch, outputs);
  } else {
    session.run(input.data<float>(), batch, outputs);
  }
  return out;
}

}  // namespace conopa::onnx::testing
