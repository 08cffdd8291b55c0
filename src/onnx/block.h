#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <vector>

#include "conopa/arch/block_spec.h"
#include "onnx/graph.h"
#include "onnx/layers.h"
#include "onnx/tables.h"

namespace conopa::onnx {

/// What the blocks of one stage share.
struct StageContext {
  arch::Stage stage;
  arch::Windows windows;
};

/// Writes one transformer block.
class BlockWriter {
 public:
  BlockWriter(const arch::EncoderSpec& spec, const arch::BlockSpec& block,
              const StageContext& stage, Graph& graph, Weights& weights, Layers& layers)
      : spec_(spec),
        block_(block),
        stage_(stage),
        graph_(graph),
        weights_(weights),
        layers_(layers) {}

  /// @param x  tokens [B, N, D]; returns the same shape.
  Value whole(const Value& x, std::int64_t tokens);
  /// The block's output for one token alone; the mask must let it see every token.
  /// @return [B, 1, D].
  Value for_token(const Value& x, std::int64_t token);

 private:
  enum class Part { kQuery, kKey, kValue };
  [[nodiscard]] LayerRows layer(std::string_view name) const;
  [[nodiscard]] LayerRows scaled_layer(std::string_view name, std::string_view scale) const;
  /// Rows of a layer that holds several parts, each of the block's width.
  [[nodiscard]] LayerRows parts_of(std::string_view name, std::initializer_list<Part> held,
                                   std::initializer_list<Part> wanted, std::string_view part) const;

  Value plain_attention(const Value& y, std::int64_t tokens);
  Value window_attention(const Value& y);
  Value pooled_attention(const Value& y);
  Value split_windows(const Value& map, const arch::WindowGroup& group);
  Value merge_windows(const Value& rows, const arch::WindowGroup& group);
  Value assemble(const std::vector<Value>& parts);

  // Tables of global attention; none where the block does not rotate.
  Rotation query_table() {
    return block_.rotary ? query_rotation(graph_, spec_, stage_.stage) : Rotation{};
  }
  Rotation key_table() {
    return block_.rotary ? key_rotation(graph_, spec_, stage_.stage) : Rotation{};
  }
  Value heads_of(const Value& x, std::string_view what);
  /// Heads [B, H, N, Dh], rotated, normalised and quantised as the block asks.
  Value prepared(const Value& x, const Rotation& rotation, std::string_view norm,
                 std::string_view act, std::string_view what);
  Value rotated(const Value& x, const Rotation& rotation);
  /// @param masked_tokens  side of the spec's mask; 0: every key is visible.
  Value attend(const Value& queries, const Value& keys, const Value& values,
               const Rotation& query_rotation, const Rotation& key_rotation,
               std::int64_t masked_tokens);
  Value output(const Value& x, const Value& mixed);

  const arch::EncoderSpec& spec_;
  const arch::BlockSpec& block_;
  const StageContext& stage_;
  Graph& graph_;
  Weights& weights_;
  Layers& layers_;
};

}  // namespace conopa::onnx
