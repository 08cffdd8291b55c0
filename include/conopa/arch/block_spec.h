#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/arch/encoder_spec.h"

namespace conopa::arch {

/// Everything one transformer block needs to run, derived from a spec.
struct BlockSpec {
  std::string prefix = {};  ///< of its tensors' names, e.g. "blocks.3"
  std::string label = {};   ///< in reports and captures: "block3", "stage1_block0", "llm_layer0"
  std::int64_t index = 0;   ///< over the whole encoder (or decoder)
  std::int64_t stage = 0;   ///< whose map it works on
  std::int64_t dim = 0;
  std::int64_t heads = 1;
  std::int64_t mlp_hidden = 0;
  std::int64_t window = 0;     ///< 0: attention over the whole map
  std::int64_t reduction = 1;  ///< side of the patches that keys are pooled from
  /// Queries and keys have projections of their own (global blocks of a pyramid).
  bool separate_queries = false;
  bool rotary = false;
  Mixer mixer = Mixer::kAttention;
  Mask mask = Mask::kBidirectional;
  Norm norm = Norm::kLayer;
  double norm_eps = 1e-6;
  bool post_norm = false;  ///< x = norm(x + branch(x)) instead of x + branch(norm(x))
  Mlp mlp = Mlp::kSwiglu;
  bool qkv_bias = true;
  bool proj_bias = true;
  bool mlp_bias = false;
  QkNorm qk_norm = QkNorm::kNone;
  double layer_scale = 0.0;
  std::int64_t lora_rank = 0;
  double lora_alpha = 1.0;
  Quantization quantization = Quantization::kNone;

  [[nodiscard]] std::int64_t head_dim() const noexcept { return dim / heads; }
  /// Name of one of its layers, without ".weight".
  [[nodiscard]] std::string name(std::string_view layer) const {
    return prefix + "." + std::string(layer);
  }
};

/// The blocks of a resolved spec's encoder, first to last.
[[nodiscard]] std::vector<BlockSpec> encoder_blocks(const EncoderSpec& spec);

/// The blocks of a resolved spec's language model; empty without any.
[[nodiscard]] std::vector<BlockSpec> language_blocks(const EncoderSpec& spec);

/// Whether the head reads one token whose query sees every key, so that the last block needs
/// queries, projection and feed-forward of that token alone. (A causal class token in front sees
/// itself alone; there a single open query is not the same.)
[[nodiscard]] bool reads_one_token(const EncoderSpec& spec);

/// Whether a language block needs no keys and values of its own: it is one pre-norm block behind
/// all blocks, and one token is read. Its input is a linear map A of the tokens z and its norm
/// scales each by a number r, so that with q the query of head h and W its part of the key matrix
/// the score of a token is r·z·(Aᵀ diag(w) Wᵀ q), and the values are summed before A and their
/// matrix (exact; arXiv 2310.12973 leaves 40.8 GMAC for a 7B block on ViT-S, this 0.2).
[[nodiscard]] bool folds_language_block(const EncoderSpec& spec);

/// The blocks of its decoder; empty without one.
[[nodiscard]] std::vector<BlockSpec> decoder_blocks(const EncoderSpec& spec);

}  // namespace conopa::arch
