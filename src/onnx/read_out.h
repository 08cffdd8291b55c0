#pragma once

#include <string_view>

#include "conopa/arch/encoder_spec.h"
#include "onnx/graph.h"
#include "onnx/layers.h"
#include "onnx/weights.h"

namespace conopa::onnx {

/// Writes what stands behind the blocks: read-out, head, projection and the outputs of the graph.
class ReadOutWriter {
 public:
  ReadOutWriter(const arch::EncoderSpec& spec, Graph& graph, Weights& weights, Layers& layers)
      : spec_(spec), graph_(graph), weights_(weights), layers_(layers) {}

  /// @param blocks_out  [B, N, D]: output of the last block, or the average of read_blocks.
  /// @param input       the graph's input, where the end token is looked for.
  /// @return [B, D].
  Value features(const Value& blocks_out, const Value& input);
  /// Of one token's row [B, 1, D]; returns [B, D].
  Value token_features(const Value& row);
  /// Head and projection, and the outputs of the graph.
  void finish(const Value& features);

 private:
  Value final_norm(const Value& x, std::string_view what);
  Value mean(const Value& tokens);
  Value with_late_token(const Value& x);
  Value end_token(const Value& x, const Value& tokens);
  Value attention_pool(const Value& x);
  Value batch_norm(const Value& x);

  const arch::EncoderSpec& spec_;
  Graph& graph_;
  Weights& weights_;
  Layers& layers_;
};

}  // namespace conopa::onnx
