#include "conopa/arch/encoder_spec.h"

#include <numeric>

#include "arch/spec_checks.h"
#include "conopa/core/fields_json.h"

namespace conopa::arch {
namespace {

void visit_sizes(EncoderSpec& s, FieldVisitor& v) {
  v.field("family", s.family, "model family: decides the tensor names of foreign checkpoints");
  enum_field(v, "input", s.input, "images, width token numbers, or points in width groups");
  v.field("vocabulary", s.vocabulary, "token numbers of a text model");
  v.field("channels", s.channels, "input channels");
  v.field("height", s.height, "input height, px");
  v.field("width", s.width, "input width, px");
  v.field("patch", s.patch, "patch side, px");
  enum_field(v, "remainder", s.remainder, "sizes that the patch does not divide");
  v.field("point_count", s.point.count, "points of a cloud in training and evaluation");
  v.field("point_group", s.point.group, "points of a group");
  v.field("point_width", s.point.width, "width of a group's token before it becomes dim");
  enum_field(v, "point_rule", s.point.rule, "which points may become centres");
  v.field("dim", s.dim, "width of the residual stream");
  v.field("depth", s.depth, "number of blocks");
  v.field("heads", s.heads, "attention heads");
  v.field("stage_dims", s.stage_dims, "widths of a pyramid's stages; empty: plain encoder");
  v.field("stage_depths", s.stage_depths, "blocks of every stage");
  v.field("stage_heads", s.stage_heads, "attention heads of every stage");
  v.field("stage_windows", s.stage_windows, "window side of every stage, tokens");
  v.field("stage_reductions", s.stage_reductions, "key sub-sampling of every stage");
  v.field("stage_hidden", s.stage_hidden, "hidden width of every stage; empty: from mlp_ratio");
  v.field("stage_patch", s.stage_patch, "patch side of the later stages");
  v.field("patch_norm", s.patch_norm, "layer norm behind the patch embeddings");
  enum_field(v, "window_padding", s.window_padding, "tokens that fill the last windows");
}

void visit_positions(EncoderSpec& s, FieldVisitor& v) {
  enum_field(v, "class_token", s.class_token, "where the class token stands");
  enum_field(v, "position", s.position, "absolute positions");
  v.field("position_spare_row", s.position_spare_row, "unused first row of the position embedding");
  v.field("position_class_row", s.position_class_row, "it has a row for the class token");
  enum_field(v, "rotary", s.rotary, "rotation of queries and keys");
  v.field("rope_theta", s.rope_theta, "base of the rotary frequencies");
  v.field("rope_ratio", s.rope_ratio, "rotated part of every head's channels");
  v.field("rope_per_head", s.rope_per_head, "every head has frequencies of its own");
  v.field("rope_scale", s.rope_scale, "factor of all rotary coordinates");
  enum_field(v, "rope_scaling", s.rope_scaling, "how coordinates follow the image size");
  v.field("rope_anchor", s.rope_anchor, "image size of unscaled coordinates, px; 0: height");
  enum_field(v, "rope_grid", s.rope_grid, "how token indices become columns and rows");
  enum_field(v, "rope_keys", s.rope_keys, "coordinates of sub-sampled keys");
  v.field("rope_ntk", s.rope_ntk, "factor of the frequency base of global attention");
  enum_field(v, "rope_ntk_acts_on", s.rope_ntk_acts_on, "which frequencies rope_ntk changes");
  enum_field(v, "rope_class", s.rope_class, "rotary place of the class token");
  v.field("rope_class_at", s.rope_class_at, "its column and row if fixed");
  v.field("rope_off_blocks", s.rope_off_blocks, "blocks without rotation");
}

void visit_blocks(EncoderSpec& s, FieldVisitor& v) {
  enum_field(v, "mask", s.mask, "which keys a query sees");
  v.field("mask_rate", s.mask_rate, "soft-mask rate at inference");
  enum_field(v, "norm", s.norm, "normalisation");
  v.field("norm_eps", s.norm_eps, "added to the variance");
  enum_field(v, "mlp", s.mlp, "feed-forward kind");
  v.field("mlp_ratio", s.mlp_ratio, "hidden width over dim before the SwiGLU 2/3");
  v.field("mlp_multiple_of", s.mlp_multiple_of, "SwiGLU hidden width is rounded up to this");
  v.field("mlp_hidden", s.mlp_hidden, "hidden width; 0: from mlp_ratio and mlp_multiple_of");
  v.field("qkv_bias", s.qkv_bias, "bias of the q, k, v projection");
  v.field("proj_bias", s.proj_bias, "bias of the attention output projection");
  v.field("mlp_bias", s.mlp_bias, "biases of the feed-forward layers");
  enum_field(v, "qk_norm", s.qk_norm, "normalisation of queries and keys");
  v.field("layer_scale", s.layer_scale, "initial layer scale; 0: none");
  v.field("drop_path", s.drop_path, "peak stochastic-depth rate");
  enum_field(v, "drop_path_shape", s.drop_path_shape, "stochastic depth over the blocks");
  enum_field(v, "drop_path_branches", s.drop_path_branches, "branches that it drops");
  v.field("dropout", s.dropout, "dropout after the position embedding");
}

void visit_heads(EncoderSpec& s, FieldVisitor& v) {
  enum_field(v, "read_out", s.read_out, "what the head reads");
  v.field("read_blocks", s.read_blocks, "blocks averaged for the head; empty: the final norm");
  v.field("pool_queries", s.pool_queries, "queries of the attention read-out");
  v.field("pool_bias", s.pool_bias, "biases of its keys and values");
  v.field("end_token", s.end_token, "token whose first place the read-out end takes");
  enum_field(v, "head_norm", s.head_norm, "normalisation before the head");
  v.field("num_classes", s.num_classes, "classes of the head; 0: no head");
  v.field("head_bias", s.head_bias, "bias of the head");
  v.field("head_hidden", s.head_hidden, "width of a ReLU layer before the head's last; 0: none");
  v.field("head_dropout", s.head_dropout, "dropout behind that layer");
  v.field("projection", s.projection, "width of a last layer without bias; 0: none");
  enum_field(v, "weight_init", s.weight_init, "initial matrices");
  enum_field(v, "conv_init", s.conv_init, "initial convolutions");
  v.field("head_init_std", s.head_init_std, "deviation of the initial head");
  v.field("lora_rank", s.lora_rank, "rank of LoRA branches; 0: none");
  v.field("lora_alpha", s.lora_alpha, "their factor times the rank");
  enum_field(v, "quantization", s.quantization, "quantisation-aware layers");
  v.field("weight_bits", s.weight_bits, "bits of quantised weights");
  v.field("activation_bits", s.activation_bits, "bits of quantised activations");
  v.field("feature_blocks", s.feature_blocks, "blocks whose outputs are feature maps");
  enum_field(v, "neck", s.neck, "what turns block outputs into feature maps");
  enum_field(v, "decoder", s.decoder, "what predicts patches from encoded ones");
  v.field("decoder_dim", s.decoder_dim, "width of the decoder");
  v.field("decoder_depth", s.decoder_depth, "blocks of the decoder");
  v.field("decoder_heads", s.decoder_heads, "attention heads of the decoder");
  v.field("decoder_mlp_ratio", s.decoder_mlp_ratio, "hidden width of the decoder over its dim");
  enum_field(v, "decoder_mixer", s.decoder_mixer, "how a next-patch decoder mixes tokens");
  v.field("decoder_bias", s.decoder_bias, "biases of its first and last layer");
  v.field("decoder_outputs", s.decoder_outputs, "codes it chooses from; 0: it predicts pixels");
  v.field("decoder_vocabulary", s.decoder_vocabulary, "token numbers of captions");
  v.field("decoder_context", s.decoder_context, "longest caption, tokens");
}

void visit_language_block(EncoderSpec& s, FieldVisitor& v) {
  LanguageBlock& llm = s.llm;
  enum_field(v, "llm_unit", llm.unit, "what stands between the mappers; none: no language block");
  v.field("llm_after", llm.after, "blocks of the encoder before it; -1: all");
  v.field("llm_dim", llm.dim, "width of the language model");
  v.field("llm_depth", llm.depth, "blocks of the language model");
  v.field("llm_heads", llm.heads, "attention heads of the language model");
  v.field("llm_hidden", llm.hidden, "its hidden width; 0: from llm_multiple_of");
  v.field("llm_multiple_of", llm.multiple_of, "its SwiGLU hidden width is rounded up to this");
  enum_field(v, "llm_norm", llm.norm, "its normalisation");
  v.field("llm_norm_eps", llm.norm_eps, "added to the variance in its norms");
  enum_field(v, "llm_mlp", llm.mlp, "its feed-forward kind");
  v.field("llm_bias", llm.bias, "biases of its linear layers");
  v.field("llm_post_norm", llm.post_norm, "its norms stand behind the branches");
  v.field("llm_final_norm", llm.final_norm, "a norm behind its blocks");
  v.field("llm_trainable", llm.trainable, "its blocks are trained, not frozen");
}

void resolve_language_block(EncoderSpec& s) {
  LanguageBlock& llm = s.llm;
  if (!llm.present()) return;
  if (llm.after < 0) llm.after = s.depth;
  if (llm.hidden > 0 || !llm.has_blocks()) return;
  constexpr std::int64_t kRatio = 4;
  llm.hidden = kRatio * llm.dim;
  if (llm.mlp != Mlp::kSwiglu) return;
  llm.hidden = (2 * llm.hidden / 3 + llm.multiple_of - 1) / llm.multiple_of * llm.multiple_of;
}

void resolve_pyramid(EncoderSpec& s) {
  if (s.stage_hidden.empty()) {
    for (const std::int64_t dim : s.stage_dims)
      s.stage_hidden.push_back(automatic_hidden(s, s.mlp_ratio, dim));
  }
  check_stage_lists(s);
  s.dim = s.stage_dims.back();
  s.heads = s.stage_heads.back();
  s.mlp_hidden = s.stage_hidden.back();
  s.depth = std::accumulate(s.stage_depths.begin(), s.stage_depths.end(), std::int64_t{0});
}

}  // namespace

std::int64_t automatic_hidden(const EncoderSpec& s, double ratio, std::int64_t dim) {
  const double wide = ratio * static_cast<double>(dim);
  if (!(wide >= 1.0 && wide < 1e9)) return 0;  // refused by the checks
  if (s.mlp != Mlp::kSwiglu) return static_cast<std::int64_t>(wide);
  const auto exact = static_cast<std::int64_t>(2.0 * wide / 3.0);
  return (exact + s.mlp_multiple_of - 1) / s.mlp_multiple_of * s.mlp_multiple_of;
}

void EncoderSpec::visit(FieldVisitor& v) {
  visit_sizes(*this, v);
  visit_positions(*this, v);
  visit_blocks(*this, v);
  visit_heads(*this, v);
  visit_language_block(*this, v);
}

void EncoderSpec::resolve() {
  check_before_resolving(*this);
  if (pyramid()) {
    resolve_pyramid(*this);
  } else if (mlp_hidden == 0) {
    mlp_hidden = automatic_hidden(*this, mlp_ratio, dim);
  }
  if (rope_scaling == RopeScaling::kAnchor && rope_anchor == 0) rope_anchor = height;
  resolve_language_block(*this);
  check_spec(*this);
}

std::vector<Stage> EncoderSpec::stages() const {
  if (!pyramid()) {
    return {{.index = 0,
             .dim = dim,
             .depth = depth,
             .heads = heads,
             .mlp_hidden = mlp_hidden,
             .channels = channels,
             .patch = patch,
             .rows = grid_rows(),
             .cols = grid_cols()}};
  }
  std::vector<Stage> out;
  Stage before{.dim = channels, .rows = height, .cols = width};
  for (std::size_t i = 0; i < stage_dims.size(); ++i) {
    const std::int64_t side = i == 0 ? patch : stage_patch;
    out.push_back({.index = static_cast<std::int64_t>(i),
                   .dim = stage_dims[i],
                   .depth = stage_depths[i],
                   .heads = stage_heads[i],
                   .mlp_hidden = stage_hidden[i],
                   .channels = before.dim,
                   .patch = side,
                   .rows = (before.rows + side - 1) / side,
                   .cols = (before.cols + side - 1) / side,
                   .window = stage_windows[i],
                   .reduction = stage_reductions[i],
                   .first_block = before.first_block + before.depth});
    before = out.back();
  }
  return out;
}

std::string spec_to_json(const EncoderSpec& spec) {
  EncoderSpec copy = spec;
  return to_json(copy);
}

EncoderSpec spec_from_json(std::string_view text, std::string_view where) {
  EncoderSpec spec;
  from_json(text, where, spec);
  spec.resolve();
  return spec;
}

}  // namespace conopa::arch
