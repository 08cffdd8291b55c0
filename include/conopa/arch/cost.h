#pragma once

#include <cstdint>
#include <vector>

#include "conopa/arch/encoder_spec.h"

namespace conopa::arch {

/// Work of one forward pass on one image, in multiply-accumulates.
struct Cost {
  std::int64_t patch_embed = 0;
  std::int64_t projections = 0;  ///< q, k, v and output projections of all blocks, key pooling
  std::int64_t attention = 0;    ///< q·kᵀ and A·v of all blocks, masks not counted
  std::int64_t mlp = 0;
  std::int64_t head = 0;
  std::int64_t llm = 0;  ///< mappers and language block
  std::int64_t neck = 0;
  std::int64_t decoder = 0;
  std::int64_t parameters = 0;  ///< trainable elements

  [[nodiscard]] std::int64_t macs() const noexcept {
    return patch_embed + projections + attention + mlp + llm + head + neck + decoder;
  }
};

/// Cost of a resolved spec. Norms, activations and additions are not counted, as usual.
[[nodiscard]] Cost count_cost(const EncoderSpec& spec);

/// Multiply-accumulates that make features and logits of one image: those of count_cost without
/// neck and decoder and, where the head reads one token, without what the last block would compute
/// for the other tokens (reads_one_token). A language block behind all blocks counts as its exact
/// short form, see folds_language_block.
[[nodiscard]] std::int64_t inference_macs(const EncoderSpec& spec);

}  // namespace conopa::arch
