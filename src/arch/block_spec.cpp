#include "conopa/arch/block_spec.h"

#include <fmt/format.h>

#include <algorithm>

#include "conopa/arch/tensor_table.h"

namespace conopa::arch {

std::vector<BlockSpec> encoder_blocks(const EncoderSpec& spec) {
  std::vector<BlockSpec> out;
  for (const Stage& stage : spec.stages()) {
    for (std::int64_t i = 0; i < stage.depth; ++i) {
      const std::int64_t index = stage.first_block + i;
      const bool local = stage.window > 0 && i % 2 == 0;
      const bool rotates =
          spec.rotary != Rotary::kNone &&
          std::ranges::find(spec.rope_off_blocks, index) == spec.rope_off_blocks.end();
      out.push_back({.prefix = spec.pyramid() ? names::stage_block(stage.index, i)
                                              : names::block_prefix(index),
                     .label = spec.pyramid() ? fmt::format("stage{}_block{}", stage.index, i)
                                             : fmt::format("block{}", index),
                     .index = index,
                     .stage = stage.index,
                     .dim = stage.dim,
                     .heads = stage.heads,
                     .mlp_hidden = stage.mlp_hidden,
                     .window = local ? stage.window : 0,
                     .reduction = local ? 1 : stage.reduction,
                     .separate_queries = spec.pyramid() && !local,
                     .rotary = rotates,
                     .mask = spec.mask,
                     .norm = spec.norm,
                     .norm_eps = spec.norm_eps,
                     .mlp = spec.mlp,
                     .qkv_bias = spec.qkv_bias,
                     .proj_bias = spec.proj_bias,
                     .mlp_bias = spec.mlp_bias,
                     .qk_norm = spec.qk_norm,
                     .layer_scale = spec.layer_scale,
                     .lora_rank = spec.lora_rank,
                     .lora_alpha = spec.lora_alpha,
                     .quantization = spec.quantization});
    }
  }
  return out;
}

std::vector<BlockSpec> language_blocks(const EncoderSpec& spec) {
  std::vector<BlockSpec> out;
  const LanguageBlock& llm = spec.llm;
  if (!llm.has_blocks()) return out;
  for (std::int64_t i = 0; i < llm.depth; ++i) {
    out.push_back({.prefix = names::language_layer(i),
                   .label = fmt::format("llm_layer{}", i),
                   .index = i,
                   .dim = llm.dim,
                   .heads = llm.heads,
                   .mlp_hidden = llm.hidden,
                   .mixer = llm.mixes_tokens() ? Mixer::kAttention : Mixer::kNone,
                   .norm = llm.norm,
                   .norm_eps = llm.norm_eps,
                   .post_norm = llm.post_norm,
                   .mlp = llm.mlp,
                   .qkv_bias = llm.bias,
                   .proj_bias = llm.bias,
                   .mlp_bias = llm.bias});
  }
  return out;
}

bool reads_one_token(const EncoderSpec& spec) {
  const bool sees_all = spec.mask != Mask::kCausal && spec.mask != Mask::kSoftCausal &&
                        spec.mask != Mask::kPrefixCausal;
  return spec.read_out == ReadOut::kToken && spec.class_token_in_blocks() && !spec.pyramid() &&
         spec.position != Position::kConditional && spec.quantization == Quantization::kNone &&
         spec.qk_norm == QkNorm::kNone && spec.lora_rank == 0 &&
         (sees_all || spec.class_token == ClassToken::kBack);
}

bool folds_language_block(const EncoderSpec& spec) {
  return reads_one_token(spec) && spec.llm_last() && spec.llm.mixes_tokens() &&
         spec.llm.depth == 1 && !spec.llm.post_norm;
}

namespace {

// Blocks of masked auto-encoders are a ViT's whatever the encoder is.
BlockSpec mae_block(const EncoderSpec& spec) {
  return {.mlp_hidden = static_cast<std::int64_t>(spec.decoder_mlp_ratio *
                                                  static_cast<double>(spec.decoder_dim)),
          .mlp = Mlp::kGelu,
          .mlp_bias = true};
}

// The others are of the encoder's kind.
BlockSpec own_block(const EncoderSpec& spec) {
  return {.mlp_hidden = automatic_hidden(spec, spec.decoder_mlp_ratio, spec.decoder_dim),
          .mixer = spec.decoder == Decoder::kNextPatch ? spec.decoder_mixer : Mixer::kAttention,
          .mask = Mask::kCausal,
          .norm = spec.norm,
          .norm_eps = spec.norm_eps,
          .mlp = spec.mlp,
          .qkv_bias = spec.qkv_bias,
          .proj_bias = spec.proj_bias,
          .mlp_bias = spec.mlp_bias};
}

}  // namespace

std::vector<BlockSpec> decoder_blocks(const EncoderSpec& spec) {
  std::vector<BlockSpec> out;
  if (spec.decoder == Decoder::kNone) return out;
  const BlockSpec common = spec.decoder == Decoder::kMae ? mae_block(spec) : own_block(spec);
  for (std::int64_t i = 0; i < spec.decoder_depth; ++i) {
    BlockSpec& block = out.emplace_back(common);
    block.prefix = names::decoder_block(i);
    block.label = fmt::format("decoder_block{}", i);
    block.index = i;
    block.dim = spec.decoder_dim;
    block.heads = spec.decoder_heads;
  }
  return out;
}

}  // namespace conopa::arch
