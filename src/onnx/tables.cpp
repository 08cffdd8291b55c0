#include "onnx/tables.h"

#include <fmt/format.h>

#include <limits>
#include <utility>
#include <vector>

#include "conopa/arch/rotary.h"

namespace conopa::onnx {
namespace {

using arch::RotaryRole;

// @param begin  first token of the table; count tokens.
Rotation rotation_of(Graph& graph, const std::string& name, const arch::RotaryTable& table,
                     std::int64_t begin, std::int64_t count) {
  std::vector<float> cos;
  std::vector<float> sin;
  for (std::int64_t h = 0; h < table.heads; ++h) {
    for (std::int64_t n = begin; n < begin + count; ++n) {
      const auto at = static_cast<std::size_t>((h * table.tokens + n) * table.half);
      for (const float sign : {-1.0F, 1.0F}) {
        for (std::size_t p = at; p < at + static_cast<std::size_t>(table.half); ++p) {
          cos.push_back(table.cos[p]);
          sin.push_back(sign * table.sin[p]);
        }
      }
    }
  }
  const Shape shape{table.heads, count, 2 * table.half};
  return {.cos = graph.floats(name + "/cos", shape, std::move(cos)),
          .sin = graph.floats(name + "/sin", shape, std::move(sin))};
}

Rotation rotation_at(Graph& graph, const std::string& name, const arch::EncoderSpec& spec,
                     const arch::Stage& stage, RotaryRole role, const arch::Coordinates& at) {
  const arch::RotaryTable table = arch::rotary_table(arch::rotary_ladder(spec, stage, role), at);
  return rotation_of(graph, name, table, 0, table.tokens);
}

bool open(const arch::EncoderSpec& spec, std::int64_t query, std::int64_t key) {
  return key <= query || (spec.mask == arch::Mask::kCausalFirstOpen && query == 0);
}

// [N, N] with one value where a query sees the key and another where it does not.
Value mask_table(Graph& graph, const std::string& name, const arch::EncoderSpec& spec,
                 std::int64_t tokens, float seen, float hidden) {
  std::vector<float> values;
  for (std::int64_t q = 0; q < tokens; ++q) {
    for (std::int64_t k = 0; k < tokens; ++k) values.push_back(open(spec, q, k) ? seen : hidden);
  }
  return graph.floats(name, {tokens, tokens}, std::move(values));
}

}  // namespace

Rotation query_rotation(Graph& graph, const arch::EncoderSpec& spec, const arch::Stage& stage) {
  if (!spec.pyramid()) {
    return rotation_at(graph, "rotary/tokens", spec, stage, RotaryRole::kTokens,
                       arch::token_coordinates(spec));
  }
  return rotation_at(graph, fmt::format("rotary/stage{}/queries", stage.index), spec, stage,
                     RotaryRole::kQueries, arch::query_coordinates(spec, stage));
}

Rotation key_rotation(Graph& graph, const arch::EncoderSpec& spec, const arch::Stage& stage) {
  if (!spec.pyramid()) return query_rotation(graph, spec, stage);
  return rotation_at(graph, fmt::format("rotary/stage{}/keys", stage.index), spec, stage,
                     RotaryRole::kKeys, arch::key_coordinates(spec, stage));
}

Rotation token_rotation(Graph& graph, const arch::EncoderSpec& spec, std::int64_t index) {
  const arch::Stage stage = spec.stages().front();
  const arch::RotaryTable table = arch::rotary_table(
      arch::rotary_ladder(spec, stage, RotaryRole::kTokens), arch::token_coordinates(spec));
  return rotation_of(graph, "rotary/class_token", table, index, 1);
}

Rotation window_rotation(Graph& graph, const arch::EncoderSpec& spec, const arch::Stage& stage,
                         const arch::WindowGroup& group) {
  const std::string name =
      fmt::format("rotary/stage{}/window{}x{}", stage.index, group.window_rows, group.window_cols);
  return rotation_at(graph, name, spec, stage, RotaryRole::kWindow,
                     arch::window_coordinates(spec, stage, group.window_rows, group.window_cols));
}

Value masked_softmax(Graph& graph, const arch::EncoderSpec& spec, const Value& scores,
                     std::int64_t tokens) {
  const auto softmax = [&](const Value& x) {
    return graph.add("Softmax", "weights", {x}, {{"axis", std::int64_t{-1}}});
  };
  switch (spec.mask) {
    case arch::Mask::kPrefixCausal:  // without prefixes every key is visible
    case arch::Mask::kBidirectional:
      return softmax(scores);
    case arch::Mask::kSoftCausal: {
      if (spec.mask_rate == 1.0) return softmax(scores);
      const auto rate = static_cast<float>(spec.mask_rate);
      return graph.product(softmax(scores),
                           mask_table(graph, "mask/soft_causal", spec, tokens, 1.0F, rate),
                           "soft_mask");
    }
    case arch::Mask::kCausal:
    case arch::Mask::kCausalFirstOpen: {
      constexpr float kHidden = -std::numeric_limits<float>::infinity();
      return softmax(
          graph.sum(scores, mask_table(graph, "mask/causal", spec, tokens, 0.0F, kHidden), "mask"));
    }
  }
  throw std::logic_error("mask without exporter");
}

}  // namespace conopa::onnx
