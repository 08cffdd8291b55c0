#include "onnx/block.h"

#include <cmath>
#include <string>
#include <utility>

namespace conopa::onnx {

namespace names = arch::names;

LayerRows BlockWriter::layer(std::string_view name) const {
  return {.prefix = block_.name(name), .rows = {}, .scale = {}, .part = {}};
}

LayerRows BlockWriter::scaled_layer(std::string_view name, std::string_view scale) const {
  LayerRows out = layer(name);
  if (block_.layer_scale > 0.0) out.scale = block_.name(scale);
  return out;
}

LayerRows BlockWriter::parts_of(std::string_view name, std::initializer_list<Part> held,
                                std::initializer_list<Part> wanted, std::string_view part) const {
  LayerRows out = layer(name);
  const std::vector<std::int64_t> halves = halves_order(block_.head_dim());
  for (const Part want : wanted) {
    std::int64_t first = 0;
    for (const Part have : held) {
      if (have == want) break;
      first += block_.dim;
    }
    for (std::int64_t row = 0; row < block_.dim; ++row) {
      const std::int64_t head = row / block_.head_dim() * block_.head_dim();
      const bool reordered = block_.rotary && want != Part::kValue;
      const std::int64_t channel =
          reordered ? halves[static_cast<std::size_t>(row - head)] : row - head;
      out.rows.push_back(first + head + channel);
    }
  }
  out.part = part;
  return out;
}

Value BlockWriter::heads_of(const Value& x, std::string_view what) {
  const auto scope = graph_.scope(what);
  const Value split = graph_.reshape(x, {0, 0, block_.heads, block_.head_dim()}, "split");
  return graph_.transpose(split, {0, 2, 1, 3}, "heads");  // [B, H, N, Dh]
}

Value BlockWriter::rotated(const Value& x, const Rotation& rotation) {
  const auto scope = graph_.scope("rotate");
  const std::int64_t half = block_.head_dim() / 2;
  const std::vector<Value> halves = graph_.add_several(
      "Split", "halves", {x, graph_.ints({half, half})}, 2, {{"axis", std::int64_t{-1}}});
  const Value swapped =
      graph_.add("Concat", "swapped", {halves[1], halves[0]}, {{"axis", std::int64_t{-1}}});
  return graph_.sum(graph_.product(x, rotation.cos, "cos"),
                    graph_.product(swapped, rotation.sin, "sin"), "sum");
}

Value BlockWriter::prepared(const Value& x, const Rotation& rotation, std::string_view norm,
                            std::string_view act, std::string_view what) {
  Value out = heads_of(x, what);
  const auto scope = graph_.scope(what);
  const bool rotates = rotation.defined();
  if (rotates) out = rotated(out, rotation);
  if (block_.qk_norm == arch::QkNorm::kRmsAfterRotary && !norm.empty()) {
    const std::string weight = block_.name(norm) + ".weight";
    out = layers_.rms_norm(out, rotates ? weights_.halves_of_head(weight) : weights_.whole(weight),
                           "norm");
  }
  if (block_.quantization == arch::Quantization::kLsq) {
    out = layers_.quantized(out, block_.name(act), {1, block_.heads, 1, 1}, "act");
  }
  return out;
}

Value BlockWriter::attend(const Value& queries, const Value& keys, const Value& values,
                          const Rotation& query_rotation, const Rotation& key_rotation,
                          std::int64_t masked_tokens) {
  const Value q = prepared(queries, query_rotation, names::kQueryNorm, names::kQueryAct, "q");
  const Value k = prepared(keys, key_rotation, names::kKeyNorm, names::kKeyAct, "k");
  const Value v = prepared(values, {}, "", names::kValueAct, "v");
  const Value products =
      graph_.add("MatMul", "qk", {q, graph_.transpose(k, {0, 1, 3, 2}, "k_transposed")});
  const auto scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(block_.head_dim())));
  const Value scores = graph_.product(products, graph_.scalar(scale), "scores");
  Value weights = masked_tokens > 0
                      ? masked_softmax(graph_, spec_, scores, masked_tokens)
                      : graph_.add("Softmax", "weights", {scores}, {{"axis", std::int64_t{-1}}});
  if (block_.quantization == arch::Quantization::kLsq) {
    weights =
        layers_.quantized(weights, block_.name(names::kMapAct), {1, block_.heads, 1, 1}, "map_act");
  }
  const Value mixed =
      graph_.transpose(graph_.add("MatMul", "mix", {weights, v}), {0, 2, 1, 3}, "tokens");
  return graph_.reshape(mixed, {0, 0, block_.dim}, "merge");
}

Value BlockWriter::plain_attention(const Value& y, std::int64_t tokens) {
  using enum Part;
  const Value qkv = layers_.linear(
      y, parts_of(names::kQkv, {kQuery, kKey, kValue}, {kQuery, kKey, kValue}, ""), "qkv");
  const std::int64_t D = block_.dim;
  const std::vector<Value> parts = graph_.add_several(
      "Split", "split", {qkv, graph_.ints({D, D, D})}, 3, {{"axis", std::int64_t{-1}}});
  return attend(parts[0], parts[1], parts[2], query_table(), query_table(), tokens);
}

Value BlockWriter::pooled_attention(const Value& y) {
  using enum Part;
  const arch::Stage& s = stage_.stage;
  const std::int64_t C = block_.dim;
  Value keys = y;
  if (block_.reduction > 1) {
    const auto scope = graph_.scope("pool");
    const Value map = graph_.reshape(graph_.transpose(y, {0, 2, 1}, "channels_first"),
                                     {0, C, s.rows, s.cols}, "map");
    const Value pooled = layers_.patch_conv(map, block_.name(names::kPool), s.rows, s.cols,
                                            block_.reduction, "conv");
    const Value rows = graph_.reshape(pooled, {0, C, -1}, "rows");
    keys = layers_.norm(graph_.transpose(rows, {0, 2, 1}, "tokens"), block_.name(names::kPoolNorm),
                        "norm");
  }
  const Value q = layers_.linear(y, parts_of(names::kQuery, {kQuery}, {kQuery}, ""), "q_proj");
  const Value kv = layers_.linear(
      keys, parts_of(names::kKeyValue, {kKey, kValue}, {kKey, kValue}, ""), "kv_proj");
  const std::vector<Value> parts = graph_.add_several("Split", "split", {kv, graph_.ints({C, C})},
                                                      2, {{"axis", std::int64_t{-1}}});
  return attend(q, parts[0], parts[1], query_table(), key_table(), 0);
}

Value BlockWriter::output(const Value& x, const Value& mixed) {
  Value stream;
  {
    const auto scope = graph_.scope("attn");
    const Value branch = layers_.linear(mixed, scaled_layer(names::kProj, names::kScale1), "proj");
    stream = graph_.sum(x, branch, "residual");
  }
  const Value y = layers_.norm(stream, block_.name(names::kNorm2), "norm2");
  const auto scope = graph_.scope("mlp");
  const Value up = layers_.linear(y, layer(names::kUp), "up");
  const Value hidden = block_.mlp == arch::Mlp::kSwiglu
                           ? layers_.swiglu(layers_.linear(y, layer(names::kGate), "gate"), up)
                           : layers_.gelu(up);
  const Value branch = layers_.linear(hidden, scaled_layer(names::kDown, names::kScale2), "down");
  return graph_.sum(stream, branch, "residual");
}

Value BlockWriter::whole(const Value& x, std::int64_t tokens) {
  const auto scope = graph_.scope(block_.prefix);
  const Value y = layers_.norm(x, block_.name(names::kNorm1), "norm1");
  Value mixed;
  {
    const auto attention = graph_.scope("attn");
    mixed = block_.window > 0         ? window_attention(y)
            : block_.separate_queries ? pooled_attention(y)
                                      : plain_attention(y, tokens);
  }
  return output(x, mixed);
}

Value BlockWriter::for_token(const Value& x, std::int64_t token) {
  using enum Part;
  const auto scope = graph_.scope(block_.prefix);
  const Value y = layers_.norm(x, block_.name(names::kNorm1), "norm1");
  Value mixed;
  {
    const auto attention = graph_.scope("attn");
    const Value own = graph_.slice(y, 1, token, 1, "class_token");
    const auto all = {kQuery, kKey, kValue};
    const Value q = layers_.linear(own, parts_of(names::kQkv, all, {kQuery}, "q"), "q_proj");
    const Value kv = layers_.linear(y, parts_of(names::kQkv, all, {kKey, kValue}, "kv"), "kv_proj");
    const std::int64_t D = block_.dim;
    const std::vector<Value> parts = graph_.add_several("Split", "split", {kv, graph_.ints({D, D})},
                                                        2, {{"axis", std::int64_t{-1}}});
    const Rotation rotation = block_.rotary ? token_rotation(graph_, spec_, token) : Rotation{};
    mixed = attend(q, parts[0], parts[1], rotation, key_table(), 0);
  }
  return output(graph_.slice(x, 1, token, 1, "class_token"), mixed);
}

}  // namespace conopa::onnx
