#include "onnx/layers.h"

#include <cmath>
#include <numbers>

namespace conopa::onnx {
namespace {

std::int64_t missing(std::int64_t side, std::int64_t patch) {
  return (patch - side % patch) % patch;
}

}  // namespace

const Layers::QuantizedInput& Layers::quantize_input(const Value& x) {
  const auto known = quantized_inputs_.find(x);
  if (known != quantized_inputs_.end()) return known->second;
  const std::vector<Value> parts = graph_.add_several("DynamicQuantizeLinear", "quantize", {x}, 3);
  return quantized_inputs_.emplace(x, QuantizedInput{parts[0], parts[1], parts[2]}).first->second;
}

Value Layers::product(const Value& x, const LayerRows& layer) {
  if (options_.precision == Precision::kFp32) {
    return graph_.add("MatMul", "matmul", {x, weights_.matrix(layer)});
  }
  // The shape of nodes that quantisers emit, which runtimes fuse into one operation.
  const QuantizedInput& input = quantize_input(x);
  const Weights::Int8 weight = weights_.int8_matrix(layer);
  const Value sums =
      graph_.add("MatMulInteger", "matmul", {input.values, weight.values, input.zero_point});
  const Value wide = graph_.add("Cast", "cast", {sums}, {{"to", std::int64_t{1}}});  // FLOAT
  const Value scale = graph_.product(input.scale, weight.scales, "scale");
  return graph_.product(wide, scale, "rescale");
}

Value Layers::linear(const Value& x, const LayerRows& layer, std::string_view what) {
  const auto scope = graph_.scope(what);
  Value input = x;
  if (spec_.quantization == arch::Quantization::kLsq) {
    const std::string act = layer.prefix + ".act";
    input = quantized(x, act, weights_.shape(act + ".alpha"), "act");
  }
  const Value y = product(input, layer);
  const Value bias = weights_.bias(layer);
  return bias.empty() ? y : graph_.sum(y, bias, "bias");
}

Value Layers::norm(const Value& x, const std::string& prefix, std::string_view what) {
  const Value weight = weights_.whole(prefix + ".weight");
  if (spec_.norm == arch::Norm::kRms) return rms_norm(x, weight, what);
  return graph_.add("LayerNormalization", what, {x, weight, weights_.whole(prefix + ".bias")},
                    {{"axis", std::int64_t{-1}}, {"epsilon", static_cast<float>(spec_.norm_eps)}});
}

Value Layers::rms_norm(const Value& x, const Value& weight, std::string_view what) {
  const auto scope = graph_.scope(what);
  const Value square = graph_.add("Pow", "square", {x, graph_.scalar(2.0F)});
  const Value mean =
      graph_.add("ReduceMean", "mean", {square},
                 {{"axes", std::vector<std::int64_t>{-1}}, {"keepdims", std::int64_t{1}}});
  const Value safe = graph_.sum(mean, graph_.scalar(static_cast<float>(spec_.norm_eps)), "safe");
  const Value root = graph_.add("Sqrt", "root", {safe});
  const Value normed = graph_.add("Div", "divide", {x, root});
  return graph_.product(normed, weight, "scale");
}

Value Layers::gelu(const Value& x) {
  const auto scope = graph_.scope("gelu");
  const Value scaled =
      graph_.add("Div", "divide", {x, graph_.scalar(std::numbers::sqrt2_v<float>)});
  const Value erf = graph_.add("Erf", "erf", {scaled});
  const Value factor = graph_.sum(erf, graph_.scalar(1.0F), "add");
  return graph_.product(graph_.product(x, factor, "product"), graph_.scalar(0.5F), "half");
}

Value Layers::swiglu(const Value& gate, const Value& up) {
  const auto scope = graph_.scope("swiglu");
  const Value sigmoid = graph_.add("Sigmoid", "sigmoid", {gate});
  return graph_.product(graph_.product(gate, sigmoid, "silu"), up, "product");
}

Value Layers::quantized(const Value& x, const std::string& prefix, const Shape& shape,
                        std::string_view what) {
  const auto scope = graph_.scope(what);
  const bool is_signed = weights_.read(prefix + ".signed").front() != 0.0F;
  const auto levels = static_cast<float>(std::exp2(spec_.activation_bits));
  const float low = is_signed ? -levels / 2.0F : 0.0F;
  const float high = is_signed ? levels / 2.0F - 1.0F : levels - 1.0F;
  std::vector<float> zero = weights_.read(prefix + ".zero_point");
  for (float& value : zero) value = std::nearbyint(value);
  const Value step = graph_.floats(prefix + ".alpha", shape, weights_.read(prefix + ".alpha"));
  const Value shift = graph_.floats(prefix + ".zero_point", shape, std::move(zero));
  const Value moved = graph_.sum(graph_.add("Div", "divide", {x, step}), shift, "shift");
  const Value bounded =
      graph_.add("Clip", "clip", {moved, graph_.scalar(low), graph_.scalar(high)});
  const Value level = graph_.add("Round", "round", {bounded});
  return graph_.product(graph_.add("Sub", "unshift", {level, shift}), step, "multiply");
}

Value Layers::patch_conv(const Value& map, const std::string& prefix, std::int64_t rows,
                         std::int64_t cols, std::int64_t side, std::string_view what) {
  using Ints = std::vector<std::int64_t>;
  return graph_.add("Conv", what,
                    {map, weights_.whole(prefix + ".weight"), weights_.whole(prefix + ".bias")},
                    {{"kernel_shape", Ints{side, side}},
                     {"strides", Ints{side, side}},
                     {"pads", Ints{0, 0, missing(rows, side), missing(cols, side)}}});
}

Value Layers::depthwise_conv(const Value& map, const std::string& prefix, std::string_view what) {
  using Ints = std::vector<std::int64_t>;
  return graph_.add("Conv", what,
                    {map, weights_.whole(prefix + ".weight"), weights_.whole(prefix + ".bias")},
                    {{"kernel_shape", Ints{3, 3}},
                     {"group", weights_.shape(prefix + ".bias").front()},
                     {"pads", Ints{1, 1, 1, 1}}});
}

}  // namespace conopa::onnx
