#pragma once

#include <cstdint>

#include "conopa/arch/spec_enums.h"

namespace conopa::arch {

/// Blocks of a language model inside a visual encoder, between two linear layers without bias: the
/// mappers F_L1 [D, C] and F_L2 [C, D] (LM4V, arXiv 2310.12973, section 3). No residual around
/// them, no rotation, no causal mask. Part of an EncoderSpec, whose fields it prefixes with "llm_".
struct LanguageBlock {
  LanguageUnit unit = LanguageUnit::kNone;
  std::int64_t after = -1;  ///< blocks of the encoder that run before it; -1: all of them
  std::int64_t dim = 4096;  ///< width D of the language model
  std::int64_t depth = 1;   ///< blocks kept
  std::int64_t heads = 32;
  std::int64_t hidden = 0;  ///< feed-forward width; 0: from multiple_of; resolve() fills it
  std::int64_t multiple_of = 256;
  Norm norm = Norm::kRms;
  double norm_eps = 1e-6;
  Mlp mlp = Mlp::kSwiglu;
  bool bias = false;       ///< of all its linear layers (OPT)
  bool post_norm = false;  ///< norms behind the branches (OPT-350M)
  bool final_norm = true;  ///< a last norm, whose released weights are ones
  bool trainable = false;  ///< false: the blocks and their norm take no gradient

  [[nodiscard]] bool present() const noexcept { return unit != LanguageUnit::kNone; }
  /// Whether tokens see each other in it.
  [[nodiscard]] bool mixes_tokens() const noexcept { return unit == LanguageUnit::kBlock; }
  /// Whether it holds blocks of a language model.
  [[nodiscard]] bool has_blocks() const noexcept {
    return unit == LanguageUnit::kBlock || unit == LanguageUnit::kOnlyMlp;
  }
};

}  // namespace conopa::arch
