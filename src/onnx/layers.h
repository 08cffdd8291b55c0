#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "conopa/arch/encoder_spec.h"
#include "conopa/onnx/encoder_model.h"
#include "onnx/graph.h"
#include "onnx/weights.h"

namespace conopa::onnx {

/// The layers of an encoder as nodes. Everything here works on the last axis of [..., D].
class Layers {
 public:
  Layers(const arch::EncoderSpec& spec, const EncoderModelOptions& options, Graph& graph,
         Weights& weights)
      : spec_(spec), options_(options), graph_(graph), weights_(weights) {}

  /// x Wᵀ + b in the arithmetic that the options or the spec's quantisation ask for.
  /// @param x  [B, N, in]. Returns [B, N, rows of the layer].
  Value linear(const Value& x, const LayerRows& layer, std::string_view what);

  /// The spec's norm with the parameters under `prefix`.
  Value norm(const Value& x, const std::string& prefix, std::string_view what);
  /// x / sqrt(mean(x²) + eps) · weight.
  Value rms_norm(const Value& x, const Value& weight, std::string_view what);

  Value gelu(const Value& x);                        ///< by erf
  Value swiglu(const Value& gate, const Value& up);  ///< silu(gate) ⊙ up

  /// Rounds to the levels of a learned activation quantiser and back.
  /// @param shape  spreads its step sizes over x.
  Value quantized(const Value& x, const std::string& prefix, const Shape& shape,
                  std::string_view what);

  /// Convolution of a map [B, C, H, W] with zeros below and right where the stride leaves a rest.
  /// @param around  zeros on all four sides instead; groups == channels for a depthwise one.
  Value patch_conv(const Value& map, const std::string& prefix, std::int64_t rows,
                   std::int64_t cols, std::int64_t side, std::string_view what);
  Value depthwise_conv(const Value& map, const std::string& prefix, std::string_view what);

 private:
  struct QuantizedInput {
    Value values, scale, zero_point;
  };
  Value product(const Value& x, const LayerRows& layer);
  const QuantizedInput& quantize_input(const Value& x);

  const arch::EncoderSpec& spec_;
  const EncoderModelOptions& options_;
  Graph& graph_;
  Weights& weights_;
  std::map<Value, QuantizedInput> quantized_inputs_;  // layers of one input share its quantisation
};

}  // namespace conopa::onnx
