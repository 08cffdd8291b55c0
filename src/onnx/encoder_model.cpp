#include "conopa/onnx/encoder_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "conopa/arch/block_spec.h"
#include "conopa/arch/init.h"
#include "conopa/core/error.h"
#include "onnx/block.h"
#include "onnx/graph.h"
#include "onnx/layers.h"
#include "onnx/read_out.h"
#include "onnx/tables.h"
#include "onnx/weights.h"

namespace conopa::onnx {
namespace {

namespace names = arch::names;

const Value kPixels = "pixels";
const Value kTokens = "tokens";

/// Writes the graph from pixels to logits.
class EncoderWriter {
 public:
  EncoderWriter(const arch::EncoderSpec& spec, const TensorSource& source,
                const EncoderModelOptions& options, Model& model)
      : spec_(spec),
        graph_(model),
        weights_(spec, source, graph_),
        layers_(spec, options, graph_, weights_),
        read_out_(spec, graph_, weights_, layers_),
        blocks_(arch::encoder_blocks(spec)) {
    for (const arch::Stage& stage : spec.stages()) {
      stages_.push_back({.stage = stage, .windows = arch::stage_windows(spec, stage)});
    }
  }

  void write() {
    const std::size_t whole =
        token_shortcut() ? blocks_.size() - 1 : static_cast<std::size_t>(spec_.blocks_to_run());
    Value x =
        spec_.input == arch::Input::kTokens ? embed_tokens() : embed(stages_.front(), kPixels);
    std::vector<Value> reads;
    std::size_t stage = 0;
    for (std::size_t i = 0; i < whole; ++i) {
      if (blocks_[i].stage != static_cast<std::int64_t>(stage)) {
        x = map_of(x, stages_[stage].stage);
        x = embed(stages_[++stage], x);
      }
      x = writer(i).whole(x, spec_.num_tokens());
      if (spec_.position == arch::Position::kConditional &&
          blocks_[i].index == stages_[stage].stage.first_block) {
        x = with_conditional(x, stages_[stage].stage);
      }
      if (std::ranges::count(spec_.read_blocks, blocks_[i].index) > 0) reads.push_back(x);
    }
    if (token_shortcut()) {
      const Value row = writer(whole).for_token(x, spec_.class_token_index());
      read_out_.finish(read_out_.token_features(row));
    } else {
      read_out_.finish(read_out_.features(reads.empty() ? x : average(std::move(reads)), kTokens));
    }
  }

 private:
  BlockWriter writer(std::size_t block) {
    const StageContext& stage = stages_[static_cast<std::size_t>(blocks_[block].stage)];
    return {spec_, blocks_[block], stage, graph_, weights_, layers_};
  }

  // Only the class token is read, and it sees every token in the last block.
  [[nodiscard]] bool token_shortcut() const {
    const bool sees_all =
        spec_.mask == arch::Mask::kBidirectional || spec_.mask == arch::Mask::kCausalFirstOpen;
    return spec_.read_out == arch::ReadOut::kToken && spec_.class_token_in_blocks() &&
           !spec_.pyramid() && spec_.position != arch::Position::kConditional &&
           spec_.quantization == arch::Quantization::kNone &&
           (sees_all || spec_.class_token == arch::ClassToken::kBack);
  }

  // Tokens [B, N, D] of a stage as the map [B, D, rows, cols].
  Value map_of(const Value& tokens, const arch::Stage& stage) {
    const auto scope = graph_.scope(fmt::format("stage{}_map", stage.index));
    return graph_.reshape(graph_.transpose(tokens, {0, 2, 1}, "channels_first"),
                          {0, stage.dim, stage.rows, stage.cols}, "map");
  }

  // Map [B, D, rows, cols] as tokens [B, N, D].
  Value tokens_of(const Value& map, std::int64_t dim) {
    return graph_.transpose(graph_.reshape(map, {0, dim, -1}, "rows"), {0, 2, 1}, "tokens");
  }

  Value embed(const StageContext& context, const Value& map) {
    const arch::Stage& s = context.stage;
    const bool first = s.index == 0;
    const auto scope =
        graph_.scope(spec_.pyramid() ? fmt::format("stage{}/patch_embed", s.index) : "patch_embed");
    const std::int64_t rows = first ? spec_.height : stages_[index_before(s)].stage.rows;
    const std::int64_t cols = first ? spec_.width : stages_[index_before(s)].stage.cols;
    const Value conv =
        layers_.patch_conv(map, names::patch_proj(spec_, s.index), rows, cols, s.patch, "conv");
    Value x = tokens_of(conv, s.dim);
    if (spec_.patch_norm) x = layers_.norm(x, names::patch_norm(spec_, s.index), "norm");
    return with_class_and_position(x, s);
  }
  static std::size_t index_before(const arch::Stage& stage) {
    return static_cast<std::size_t>(stage.index - 1);
  }

  Value embed_tokens() {
    const auto scope = graph_.scope("token_embed");
    const Value words = weights_.whole(std::string(names::kTokenEmbed) + ".weight");
    return with_class_and_position(graph_.add("Gather", "rows", {words, kTokens}),
                                   stages_.front().stage);
  }

  Value average(std::vector<Value> reads) {
    const auto scope = graph_.scope("read_blocks");
    const auto share = 1.0F / static_cast<float>(reads.size());
    return graph_.product(graph_.add("Sum", "sum", std::move(reads)), graph_.scalar(share),
                          "average");
  }

  // Positions of a stage's tokens [N, D] as far as they are added; the class token's row is zero
  // where it has none.
  [[nodiscard]] std::vector<float> positions_of(const arch::Stage& stage) const {
    const std::int64_t front = spec_.class_token == arch::ClassToken::kFront ? stage.dim : 0;
    const bool token = spec_.class_token_in_blocks();
    std::vector<float> table(
        static_cast<std::size_t>((stage.tokens() + (token ? 1 : 0)) * stage.dim), 0.0F);
    if (spec_.position == arch::Position::kSinCosComputed) {
      const std::vector<float> values =
          arch::sincos_table(stage.rows, stage.cols, stage.dim, arch::SinCosOrder::kColumnFirst);
      std::ranges::copy(values, table.begin() + front);
    } else if (spec_.position != arch::Position::kNone &&
               spec_.position != arch::Position::kConditional) {
      const std::vector<float> values = weights_.read(names::position(spec_, stage.index));
      const std::int64_t spare = spec_.position_spare_row ? stage.dim : 0;
      const std::int64_t behind_token = spec_.position_class_row ? 0 : front;
      std::copy(values.begin() + spare, values.end(), table.begin() + behind_token);
    }
    return table;
  }

  // Class token and positions are one table that is added: the token's row of x is zero before.
  Value with_class_and_position(const Value& patches, const arch::Stage& stage) {
    const bool token = spec_.class_token_in_blocks();
    const bool positions =
        spec_.position != arch::Position::kNone && spec_.position != arch::Position::kConditional;
    if (!token && !positions) return patches;
    std::vector<float> table = positions_of(stage);
    Value x = patches;
    if (token) {
      const std::vector<float> values = weights_.read(names::kClassToken);
      const auto at = static_cast<std::size_t>(spec_.class_token_index() * stage.dim);
      for (std::size_t i = 0; i < values.size(); ++i) table[at + i] += values[i];
      x = with_zero_row(x, "with_class_token");
    }
    const Value added = graph_.floats(fmt::format("stage{}/class_and_position", stage.index),
                                      {1, std::ssize(table) / stage.dim, stage.dim}, table);
    return graph_.sum(x, added, "positions");
  }

  // A row of zeros where the class token stands.
  Value with_zero_row(const Value& x, std::string_view what) {
    const bool back = spec_.class_token == arch::ClassToken::kBack;
    return graph_.pad(x,
                      back ? std::vector<std::int64_t>{0, 0, 0, 0, 1, 0}
                           : std::vector<std::int64_t>{0, 1, 0, 0, 0, 0},
                      what);
  }

  Value with_conditional(const Value& x, const arch::Stage& stage) {
    const auto scope = graph_.scope(fmt::format("stage{}/conditional", stage.index));
    const bool token = spec_.class_token_in_blocks();
    Value patches = x;
    if (token) {
      const std::int64_t front = spec_.class_token == arch::ClassToken::kFront ? 1 : 0;
      patches = graph_.slice(x, 1, front, stage.tokens(), "patches");
    }
    const Value conv =
        layers_.depthwise_conv(map_of(patches, stage), names::conditional(stage.index), "conv");
    Value added = tokens_of(conv, stage.dim);
    if (token) added = with_zero_row(added, "no_class_token");
    return graph_.sum(x, added, "sum");
  }

  const arch::EncoderSpec& spec_;
  Graph graph_;
  Weights weights_;
  Layers layers_;
  ReadOutWriter read_out_;
  std::vector<arch::BlockSpec> blocks_;
  std::vector<StageContext> stages_;
};

}  // namespace

Model encoder_model(const arch::EncoderSpec& spec, const TensorSource& weights,
                    const EncoderModelOptions& options) {
  if (spec.llm.present()) {
    throw UnsupportedError(
        "export", "ONNX graphs do not hold a language block yet; run the model with the engine");
  }
  if (spec.input == arch::Input::kPoints) {
    throw UnsupportedError("export", "ONNX graphs do not hold clouds of points yet");
  }
  if (options.precision == Precision::kInt8 && spec.quantization != arch::Quantization::kNone) {
    throw UnsupportedError(
        "export",
        "int8 of a model with learned quantisation (quantization = \"{}\") would "
        "round twice; leave --precision out: its own levels are exported",
        enum_name(spec.quantization));
  }
  Model model;
  model.name = spec.family;
  if (spec.input == arch::Input::kTokens) {
    model.doc = "Text encoder: token numbers [batch, tokens] in, features (and logits) out.";
    model.inputs.push_back({.name = kTokens, .dtype = DType::kI64, .shape = {"batch", spec.width}});
  } else {
    model.doc =
        "Vision encoder: normalised pixels [batch, channels, height, width] in, features (and "
        "logits) out.";
    model.inputs.push_back({.name = kPixels,
                            .dtype = DType::kF32,
                            .shape = {"batch", spec.channels, spec.height, spec.width}});
  }
  EncoderWriter(spec, weights, options, model).write();
  return model;
}

}  // namespace conopa::onnx
