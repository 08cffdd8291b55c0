#include "arch/table_builder.h"

#include <cmath>

#include "conopa/arch/block_spec.h"

namespace conopa::arch {
namespace {

// timm's trunc_normal_ bounds are absolute (±2), so with this deviation it is a plain normal.
constexpr double kLinearStd = 0.02;
// Deviation of feed-forward biases under kXavier.
constexpr double kBiasStd = 1e-6;

class Builder {
 public:
  Builder(const EncoderSpec& spec, std::vector<TensorEntry>& out) : spec_(spec), out_(out) {}

  void build() {
    class_token();
    if (spec_.input == Input::kTokens) token_embedding();
    if (spec_.input == Input::kPoints) point_embedding();
    const std::vector<Stage> stages = spec_.stages();
    for (const Stage& stage : stages) embedding(stage);
    for (const BlockSpec& block : encoder_blocks(spec_)) {
      layer_ = block.index + 1;
      add_block(block);
      const Stage& stage = stages[static_cast<std::size_t>(block.stage)];
      if (spec_.position == Position::kConditional && block.index == stage.first_block) {
        conditional(stage);
      }
    }
    layer_ = spec_.depth + 1;
    if (spec_.llm.present()) language_block();
    norm(std::string(names::kFinalNorm), spec_.dim, spec_.norm);
    if (spec_.head_norm == HeadNorm::kBatch) {
      batch_statistics(std::string(names::kHeadNorm), spec_.dim);
    }
    if (spec_.read_out == ReadOut::kAttention) pool();
    if (spec_.num_classes > 0) head();
    if (spec_.projection > 0) linear(std::string(names::kProjection), features(), spec_.projection);
    if (spec_.neck == Neck::kDeconvPyramid) deconv_pyramid();
    if (spec_.decoder == Decoder::kMae) mae_decoder();
    if (spec_.decoder == Decoder::kNextPatch) next_patch_decoder();
    if (spec_.decoder == Decoder::kCaption) caption_decoder();
  }

 private:
  TensorEntry& add(std::string name, Shape shape, Init init, double value, bool decay) {
    out_.push_back({.name = std::move(name),
                    .shape = std::move(shape),
                    .init = init,
                    .value = value,
                    .decay = decay,
                    .layer = layer_});
    return out_.back();
  }
  void buffer(std::string name, Shape shape, double value) {
    add(std::move(name), std::move(shape), Init::kConstant, value, false).trainable = false;
  }

  void class_token() {
    if (!spec_.has_class_token()) return;
    const bool zero = spec_.weight_init == WeightInit::kFramework;
    add(std::string(names::kClassToken), {1, 1, spec_.dim}, zero ? Init::kConstant : Init::kNormal,
        zero ? 0.0 : kLinearStd, false);
  }

  // A convolution over the points of a group, as the checkpoints shape it.
  void point_conv(std::string_view layer, std::int64_t in, std::int64_t out) {
    const std::string prefix = names::point_layer(layer);
    linear(prefix, in, out, true);
    out_[out_.size() - 2].shape.push_back(1);
  }

  void point_norm(std::string_view layer, std::int64_t width) {
    const std::string prefix = names::point_layer(layer);
    norm(prefix, width, Norm::kLayer);
    batch_statistics(prefix, width);
  }

  void point_embedding() {
    constexpr std::int64_t kJoined = PointInput::kJoined;
    point_conv("conv1", spec_.channels, PointInput::kFirst);
    point_norm("norm1", PointInput::kFirst);
    point_conv("conv2", PointInput::kFirst, PointInput::kLocal);
    point_conv("conv3", kJoined, kJoined);
    point_norm("norm2", kJoined);
    point_conv("conv4", kJoined, spec_.point.width);
    linear(names::point_layer("reduce"), spec_.point.width, spec_.dim, true);
    if (spec_.position != Position::kCentres) return;
    linear(std::string(names::kCentreHidden), spec_.channels, PointInput::kPosition, true);
    linear(std::string(names::kCentreOut), PointInput::kPosition, spec_.dim, true);
    if (!spec_.has_class_token()) return;
    add(std::string(names::kClassPosition), {1, 1, spec_.dim}, Init::kNormal, 1.0, false);
  }

  void token_embedding() {
    add(std::string(names::kTokenEmbed) + ".weight", {spec_.vocabulary, spec_.dim}, Init::kNormal,
        kLinearStd, false);
  }

  // What the projection reads.
  [[nodiscard]] std::int64_t features() const {
    return spec_.num_classes > 0 ? spec_.num_classes : spec_.dim;
  }

  [[nodiscard]] bool xavier() const {
    return spec_.weight_init == WeightInit::kXavier ||
           spec_.weight_init == WeightInit::kXavierPlain;
  }

  void sincos(std::string name, std::int64_t front, const Stage& grid, std::int64_t width,
              SinCosOrder order) {
    TensorEntry& entry =
        add(std::move(name), {1, front + grid.tokens(), width}, Init::kSinCos, 0.0, false);
    entry.trainable = false;
    entry.grid_rows = grid.rows;
    entry.grid_cols = grid.cols;
    entry.order = order;
  }

  void position(const Stage& stage) {
    const std::string name = names::position(spec_, stage.index);
    const bool row = spec_.position_extra_row();
    if (spec_.position == Position::kLearned) {
      add(name, {1, stage.tokens() + (row ? 1 : 0), stage.dim}, Init::kNormal, kLinearStd, false);
    } else if (spec_.position == Position::kSinCos) {
      sincos(name, row ? 1 : 0, stage, stage.dim, SinCosOrder::kColumnFirst);
    }
  }

  // A convolution whose stride is its side: [out, in, side, side].
  void patch_conv(const std::string& prefix, std::int64_t in, std::int64_t out, std::int64_t side) {
    const auto fan_in = static_cast<double>(in * side * side);
    const auto fan_out = static_cast<double>(out * side * side);
    const Shape shape{out, in, side, side};
    if (xavier()) {
      const double bound = std::sqrt(6.0 / (fan_in + static_cast<double>(out)));
      const bool plain = spec_.weight_init == WeightInit::kXavierPlain;
      add(prefix + ".weight", shape, Init::kUniform, bound, true);
      add(prefix + ".bias", {out}, plain ? Init::kUniform : Init::kConstant,
          plain ? 1.0 / std::sqrt(fan_in) : 0.0, false);
    } else if (spec_.conv_init == ConvInit::kFanOut) {
      add(prefix + ".weight", shape, Init::kNormal, std::sqrt(2.0 / fan_out), true);
      add(prefix + ".bias", {out}, Init::kConstant, 0.0, false);
    } else {
      const double bound = 1.0 / std::sqrt(fan_in);
      add(prefix + ".weight", shape, Init::kUniform, bound, true);
      add(prefix + ".bias", {out}, Init::kUniform, bound, false);
    }
  }

  void embedding(const Stage& stage) {
    position(stage);
    if (spec_.input != Input::kImage) return;
    patch_conv(names::patch_proj(spec_, stage.index), stage.channels, stage.dim, stage.patch);
    if (spec_.patch_norm) norm(names::patch_norm(spec_, stage.index), stage.dim, spec_.norm);
  }

  void conditional(const Stage& stage) {
    const std::string prefix = names::conditional(stage.index);
    add(prefix + ".weight", {stage.dim, 1, 3, 3}, Init::kNormal, std::sqrt(2.0 / 9.0), true);
    add(prefix + ".bias", {stage.dim}, Init::kConstant, 0.0, false);
  }

  void norm(const std::string& prefix, std::int64_t width, Norm kind) {
    add(prefix + ".weight", {width}, Init::kConstant, 1.0, false);
    if (kind == Norm::kLayer) add(prefix + ".bias", {width}, Init::kConstant, 0.0, false);
  }

  void linear(const std::string& prefix, std::int64_t in, std::int64_t out, bool bias = false,
              double bias_std = 0.0) {
    if (spec_.weight_init == WeightInit::kFramework) {
      const double bound = 1.0 / std::sqrt(static_cast<double>(in));
      add(prefix + ".weight", {out, in}, Init::kUniform, bound, true);
      if (bias) add(prefix + ".bias", {out}, Init::kUniform, bound, false);
      return;
    }
    if (xavier()) {
      add(prefix + ".weight", {out, in}, Init::kUniform,
          std::sqrt(6.0 / static_cast<double>(in + out)), true);
    } else {
      add(prefix + ".weight", {out, in}, Init::kNormal, kLinearStd, true);
    }
    if (!bias) return;
    const bool noisy = bias_std > 0.0 && spec_.weight_init == WeightInit::kXavier;
    add(prefix + ".bias", {out}, noisy ? Init::kNormal : Init::kConstant, noisy ? bias_std : 0.0,
        false);
  }

  // A linear layer of a block, with the step sizes of quantisation-aware training if asked for.
  void block_linear(const BlockSpec& b, std::string_view layer, std::int64_t in, std::int64_t out,
                    bool bias, double bias_std = 0.0) {
    const std::string prefix = b.name(layer);
    linear(prefix, in, out, bias, bias_std);
    if (b.quantization != Quantization::kLsq) return;
    add(prefix + ".alpha", {out}, Init::kConstant, 1.0, false);
    buffer(prefix + ".init_state", {1}, 0.0);
    activation_quantizer(prefix + ".act", in);
  }

  void activation_quantizer(const std::string& prefix, std::int64_t width) {
    add(prefix + ".alpha", {width}, Init::kConstant, 1.0, false);
    add(prefix + ".zero_point", {width}, Init::kConstant, 0.0, false);
    buffer(prefix + ".init_state", {1}, 0.0);
    buffer(prefix + ".signed", {1}, 0.0);
  }

  void attention(const BlockSpec& b) {
    if (b.separate_queries) {
      block_linear(b, names::kQuery, b.dim, b.dim, b.qkv_bias);
      if (b.reduction > 1) {
        patch_conv(b.name(names::kPool), b.dim, b.dim, b.reduction);
        norm(b.name(names::kPoolNorm), b.dim, b.norm);
      }
      block_linear(b, names::kKeyValue, b.dim, 2 * b.dim, b.qkv_bias);
    } else {
      block_linear(b, names::kQkv, b.dim, 3 * b.dim, b.qkv_bias);
    }
    if (b.qk_norm == QkNorm::kRmsAfterRotary) {
      for (const auto layer : {names::kQueryNorm, names::kKeyNorm}) {
        add(b.name(layer) + ".weight", {b.head_dim()}, Init::kConstant, 1.0, false);
      }
    }
    block_linear(b, names::kProj, b.dim, b.dim, b.proj_bias);
    if (b.lora_rank > 0) {
      lora(b.name(names::kQkvLora), b.dim, 2, b.lora_rank);
      lora(b.name(names::kProjLora), b.dim, 1, b.lora_rank);
    }
    if (b.quantization == Quantization::kLsq) {
      for (const auto act : {names::kQueryAct, names::kKeyAct, names::kValueAct, names::kMapAct}) {
        activation_quantizer(b.name(act), b.heads);
      }
    }
  }

  // Branches of `outputs` matrices [D, D] next to each other: A [outputs·r, D], B [outputs·D, r].
  void lora(const std::string& prefix, std::int64_t width, std::int64_t outputs,
            std::int64_t rank) {
    const double bound = 1.0 / std::sqrt(static_cast<double>(width));
    add(prefix + "_A", {outputs * rank, width}, Init::kUniform, bound, true);
    add(prefix + "_B", {outputs * width, rank}, Init::kConstant, 0.0, true);
  }

  void add_block(const BlockSpec& b) {
    if (b.mixer != Mixer::kNone) norm(b.name(names::kNorm1), b.dim, b.norm);
    if (b.mixer == Mixer::kAttention) attention(b);
    norm(b.name(names::kNorm2), b.dim, b.norm);
    if (b.mlp == Mlp::kSwiglu) {
      block_linear(b, names::kGate, b.dim, b.mlp_hidden, b.mlp_bias, kBiasStd);
    }
    block_linear(b, names::kUp, b.dim, b.mlp_hidden, b.mlp_bias, kBiasStd);
    block_linear(b, names::kDown, b.mlp_hidden, b.dim, b.mlp_bias, kBiasStd);
    if (b.layer_scale > 0.0) {
      add(b.name(names::kScale1), {b.dim}, Init::kConstant, b.layer_scale, false);
      add(b.name(names::kScale2), {b.dim}, Init::kConstant, b.layer_scale, false);
    }
  }

  void language_block() {
    const LanguageBlock& llm = spec_.llm;
    linear(std::string(names::kLanguageIn), spec_.dim, llm.dim);
    const std::size_t first = out_.size();
    for (const BlockSpec& block : language_blocks(spec_)) add_block(block);
    if (!llm.has_blocks()) {
      norm(std::string(names::kLanguageNorm), llm.dim, Norm::kLayer);
    } else if (llm.final_norm) {
      norm(std::string(names::kLanguageNorm), llm.dim, llm.norm);
    }
    if (llm.has_blocks() && !llm.trainable) freeze(first);
    linear(std::string(names::kLanguageOut), llm.dim, spec_.dim);
  }

  void freeze(std::size_t first) {
    for (std::size_t i = first; i < out_.size(); ++i) {
      out_[i].trainable = false;
      out_[i].frozen = true;
      out_[i].decay = false;
    }
  }

  void batch_statistics(const std::string& prefix, std::int64_t width) {
    buffer(prefix + ".running_mean", {width}, 0.0);
    buffer(prefix + ".running_var", {width}, 1.0);
    buffer(prefix + ".num_batches_tracked", {}, 0.0);
  }

  void head() {
    const std::string prefix(names::kHead);
    const std::int64_t hidden = spec_.head_hidden;
    if (hidden > 0) linear(std::string(names::kHeadHidden), spec_.feature_dim(), hidden, true);
    const std::int64_t in = hidden > 0 ? hidden : spec_.feature_dim();
    if (spec_.weight_init == WeightInit::kFramework) {
      linear(prefix, in, spec_.num_classes, spec_.head_bias);
      return;
    }
    add(prefix + ".weight", {spec_.num_classes, in}, Init::kNormal, spec_.head_init_std, true);
    if (spec_.head_bias) add(prefix + ".bias", {spec_.num_classes}, Init::kConstant, 0.0, false);
  }

  void pool() {
    add(std::string(names::kPoolQueries), {1, spec_.pool_queries, spec_.dim}, Init::kNormal,
        kLinearStd, false);
    linear(std::string(names::kPoolKey), spec_.dim, spec_.dim, spec_.pool_bias);
    linear(std::string(names::kPoolValue), spec_.dim, spec_.dim, spec_.pool_bias);
  }

  void deconv(std::int64_t level, std::int64_t index) {
    const std::int64_t D = spec_.dim;
    const double bound = 1.0 / std::sqrt(static_cast<double>(D * 4));
    const std::string prefix = names::neck(level, index);
    add(prefix + ".weight", {D, D, 2, 2}, Init::kUniform, bound, true);
    add(prefix + ".bias", {D}, Init::kUniform, bound, false);
  }

  void deconv_pyramid() {
    const std::string batch_norm = names::neck(1, 1);
    deconv(1, 0);
    norm(batch_norm, spec_.dim, Norm::kLayer);
    batch_statistics(batch_norm, spec_.dim);
    deconv(1, 3);
    deconv(2, 0);
  }

  void mae_decoder() {
    const std::int64_t W = spec_.decoder_dim;
    linear(std::string(names::kDecoderEmbed), spec_.dim, W, true);
    add(std::string(names::kMaskToken), {1, 1, W}, Init::kNormal, kLinearStd, false);
    sincos(std::string(names::kDecoderPosition), spec_.has_class_token() ? 1 : 0,
           spec_.stages().front(), W, SinCosOrder::kRowFirst);
    for (const BlockSpec& block : decoder_blocks(spec_)) add_block(block);
    norm(std::string(names::kDecoderNorm), W, Norm::kLayer);
    linear(std::string(names::kDecoderOut), W, spec_.patch_outputs(), true);
  }

  void next_patch_decoder() {
    const std::vector<BlockSpec> blocks = decoder_blocks(spec_);
    const std::int64_t W = blocks.empty() ? spec_.dim : spec_.decoder_dim;
    if (!blocks.empty()) {
      linear(std::string(names::kDecoderEmbed), spec_.dim, W, spec_.decoder_bias);
      for (const BlockSpec& block : blocks) add_block(block);
      norm(std::string(names::kDecoderNorm), W, spec_.norm);
    }
    linear(std::string(names::kDecoderOut), W, spec_.patch_outputs(), spec_.decoder_bias);
  }

  void caption_decoder() {
    const std::int64_t W = spec_.decoder_dim;
    linear(std::string(names::kDecoderEmbed), spec_.dim, W, spec_.decoder_bias);
    add(std::string(names::kDecoderBegin), {1, 1, W}, Init::kNormal, kLinearStd, false);
    add(std::string(names::kDecoderTokenEmbed) + ".weight", {spec_.decoder_vocabulary, W},
        Init::kNormal, kLinearStd, false);
    add(std::string(names::kDecoderTokenPosition), {1, spec_.decoder_context + 1, W}, Init::kNormal,
        kLinearStd, false);
    for (const BlockSpec& block : decoder_blocks(spec_)) add_block(block);
    norm(std::string(names::kDecoderNorm), W, spec_.norm);
    linear(std::string(names::kDecoderOut), W, spec_.patch_outputs());
    linear(std::string(names::kDecoderTokenOut), W, spec_.decoder_vocabulary);
  }

  const EncoderSpec& spec_;
  std::vector<TensorEntry>& out_;
  std::int64_t layer_ = 0;
};

}  // namespace

void build_table(const EncoderSpec& spec, std::vector<TensorEntry>& out) {
  Builder(spec, out).build();
}

}  // namespace conopa::arch
