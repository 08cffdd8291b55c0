#include "conopa/onnx/encoder_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "conopa/arch/block_spec.h"
#include "conopa/core/error.h"
#include "onnx/block.h"
#include "onnx/graph.h"
#include "onnx/layers.h"
#include "onnx/tables.h"
#include "onnx/weights.h"

namespace conopa::onnx {
namespace {

namespace names = arch::names;

/// Writes the graph from pixels to logits.
class EncoderWriter {
 public:
  EncoderWriter(const arch::EncoderSpec& spec, const TensorSource& source,
                const EncoderModelOptions& options, Model& model)
      : spec_(spec),
        graph_(model),
        weights_(spec, source, graph_),
        layers_(spec, options, graph_, weights_),
        blocks_(arch::encoder_blocks(spec)) {
    for (const arch::Stage& stage : spec.stages()) {
      stages_.push_back({.stage = stage, .windows = arch::stage_windows(spec, stage)});
    }
  }

  void write() {
    const std::size_t whole = token_shortcut() ? blocks_.size() - 1 : blocks_.size();
    Value x = embed(stages_.front(), "pixels");
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
    }
    finish(token_shortcut() ? token_features(writer(whole).for_token(x, spec_.class_token_index()))
                            : read_out(x));
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

  // Class token and positions are one table that is added: the token's row of x is zero before.
  Value with_class_and_position(const Value& patches, const arch::Stage& stage) {
    const bool token = spec_.class_token_in_blocks();
    const bool positions =
        spec_.position == arch::Position::kLearned || spec_.position == arch::Position::kSinCos;
    if (!token && !positions) return patches;
    const std::int64_t tokens = stage.tokens() + (token ? 1 : 0);
    std::vector<float> table(static_cast<std::size_t>(tokens * stage.dim), 0.0F);
    if (positions) {
      const std::vector<float> values = weights_.read(names::position(spec_, stage.index));
      const auto skip = static_cast<std::ptrdiff_t>(spec_.position_spare_row ? stage.dim : 0);
      const bool behind_token =
          token && !spec_.position_class_row && spec_.class_token == arch::ClassToken::kFront;
      std::copy(values.begin() + skip, values.end(),
                table.begin() + (behind_token ? stage.dim : 0));
    }
    Value x = patches;
    if (token) {
      const std::vector<float> values = weights_.read(names::kClassToken);
      const auto at = static_cast<std::size_t>(spec_.class_token_index() * stage.dim);
      for (std::size_t i = 0; i < values.size(); ++i) table[at + i] += values[i];
      x = with_zero_row(x, "with_class_token");
    }
    const Value added = graph_.floats(fmt::format("stage{}/class_and_position", stage.index),
                                      {1, tokens, stage.dim}, std::move(table));
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

  Value final_norm(const Value& x, std::string_view what) {
    return layers_.norm(x, std::string(names::kFinalNorm), what);
  }

  Value token_features(const Value& row) {  // [B, 1, D]
    return graph_.reshape(final_norm(row, "norm"), {0, spec_.dim}, "token");
  }

  Value read_out(const Value& blocks_out) {
    const auto scope = graph_.scope("read_out");
    Value x = blocks_out;
    if (spec_.class_token == arch::ClassToken::kLate) {
      const std::int64_t tokens = spec_.num_patches() + 1;
      std::vector<float> table = weights_.read(names::kClassToken);
      table.resize(static_cast<std::size_t>(tokens * spec_.dim), 0.0F);
      x = graph_.sum(with_zero_row(x, "with_class_token"),
                     graph_.floats("late_class_token", {1, tokens, spec_.dim}, std::move(table)),
                     "late_token");
    }
    const auto mean = [&](const Value& tokens) {
      return graph_.add("ReduceMean", "mean", {tokens},
                        {{"axes", std::vector<std::int64_t>{1}}, {"keepdims", std::int64_t{0}}});
    };
    switch (spec_.read_out) {
      case arch::ReadOut::kToken:
        return token_features(graph_.slice(x, 1, spec_.class_token_index(), 1, "class_token"));
      case arch::ReadOut::kMean:
        return mean(final_norm(x, "norm"));
      case arch::ReadOut::kMeanNorm:  // the mean is over the blocks' output, no late token
        return final_norm(mean(blocks_out), "norm");
      case arch::ReadOut::kNormMeanNorm:
        return final_norm(mean(final_norm(x, "norm")), "norm_again");
      case arch::ReadOut::kAttention:
      case arch::ReadOut::kEnd:
      case arch::ReadOut::kPatchMeanNorm:
      case arch::ReadOut::kTokenMax:
        break;
    }
    throw std::logic_error("read-out without exporter");
  }

  void finish(const Value& features) {
    const std::int64_t classes = spec_.num_classes;
    if (classes > 0) {
      const std::string head(names::kHead);
      Value x = features;
      if (spec_.head_norm == arch::HeadNorm::kBatch) x = batch_norm(x);
      const Value logits = graph_.add(
          "Gemm", "head", {x, weights_.whole(head + ".weight"), weights_.whole(head + ".bias")},
          {{"transB", std::int64_t{1}}});
      graph_.output(logits, "logits", {"batch", classes});
    }
    graph_.output(features, "features", {"batch", spec_.dim});
  }

  Value batch_norm(const Value& x) {
    const std::string prefix(names::kHeadNorm);
    const auto ones = [&](float value) {
      return std::vector<float>(static_cast<std::size_t>(spec_.dim), value);
    };
    constexpr float kEps = 1e-6F;  // of linear probes
    return graph_.add(
        "BatchNormalization", "head_norm",
        {x, graph_.floats("head_norm/ones", {spec_.dim}, ones(1.0F)),
         graph_.floats("head_norm/zeros", {spec_.dim}, ones(0.0F)),
         weights_.whole(prefix + ".running_mean"), weights_.whole(prefix + ".running_var")},
        {{"epsilon", kEps}});
  }

  const arch::EncoderSpec& spec_;
  Graph graph_;
  Weights weights_;
  Layers layers_;
  std::vector<arch::BlockSpec> blocks_;
  std::vector<StageContext> stages_;
};

}  // namespace

namespace {

// Refuses what the graph writer would leave out.
void check_exportable(const arch::EncoderSpec& spec) {
  const auto refuse = [](std::string_view what) {
    throw UnsupportedError("export",
                           "ONNX graphs do not hold {} yet; run the model with the engine", what);
  };
  if (spec.input == arch::Input::kTokens) refuse("token input");
  if (spec.input == arch::Input::kPoints) refuse("point input");
  if (spec.read_out == arch::ReadOut::kTokenMax) refuse("read_out = \"token_max\"");
  if (spec.head_hidden > 0) refuse("a hidden layer of the head");
  if (spec.read_out == arch::ReadOut::kAttention) refuse("read_out = \"attention\"");
  if (spec.read_out == arch::ReadOut::kPatchMeanNorm) refuse("read_out = \"patch_mean_norm\"");
  if (spec.llm.present()) refuse("a language block");
  if (!spec.read_blocks.empty()) refuse("the average of read_blocks");
  if (spec.position == arch::Position::kSinCosComputed) refuse("position = \"sincos_computed\"");
  if (spec.projection > 0) refuse("a projection behind the head");
  if (spec.lora_rank > 0) refuse("low-rank branches; merge them (conopa lora merge)");
}

}  // namespace

Model encoder_model(const arch::EncoderSpec& spec, const TensorSource& weights,
                    const EncoderModelOptions& options) {
  check_exportable(spec);
  if (options.precision == Precision::kInt8 && spec.quantization != arch::Quantization::kNone) {
    throw UnsupportedError(
        "export",
        "int8 of a model with learned quantisation (quantization = \"{}\") would "
        "round twice; leave --precision out: its own levels are exported",
        enum_name(spec.quantization));
  }
  Model model;
  model.name = spec.family;
  model.doc =
      "Vision encoder: normalised pixels [batch, channels, height, width] in, features (and "
      "logits) out.";
  model.inputs.push_back({.name = "pixels",
                          .dtype = DType::kF32,
                          .shape = {"batch", spec.channels, spec.height, spec.width}});
  EncoderWriter(spec, weights, options, model).write();
  return model;
}

}  // namespace conopa::onnx
