#pragma once

#include <cstdint>
#include <vector>

#include "engine/buffer.h"
#include "engine/model_impl.h"

namespace conopa::engine {

/// The activations of one session, enough for `batch` images. Buffers are shared by all blocks and
/// stages.
struct Arena {
  /// @param observed  whether passes are shown, which take no shortcuts.
  Arena(const Model::Impl& model, std::int64_t batch, bool observed = false);

  Buffer x, x_next;  ///< float32 residual stream, and what it becomes
  Buffer y;          ///< outputs of norms and patches, any type
  Buffer pooled;     ///< the same for pooled keys
  /// Wide rows between linear layers: q, k, v and behind them the attended rows; or the hidden
  /// layer of the feed-forward.
  Buffer wide;
  Buffer keys;       ///< wide keys and values of pooled attention
  Buffer quantised;  ///< int8 copy of wide rows
  Buffer scales, quantised_scales;
  Buffer map;               ///< attention weights [batch, heads, N, N] of quantisation-aware models
  Buffer gate;              ///< hidden rows of their gates
  Buffer token;             ///< float32 rows of the one token that a shortcut follows
  Buffer features;          ///< float32 [batch, D]
  Buffer head;              ///< float32 [batch, D] behind the batch norm
  Buffer logits;            ///< float32 [batch, classes]
  Buffer projected;         ///< float32 [batch, projection]
  Buffer read;              ///< float32 average of the blocks that the read-out reads
  Buffer pool_scores;       ///< float32 [batch*N, heads*queries]
  Buffer pool_weights;      ///< float32 [batch, heads, N]
  Buffer pool_tokens;       ///< float32 [heads, batch, D]
  Buffer language_token;    ///< float32 [batch, D of the language model]
  Buffer language_heads;    ///< float32 [heads, batch, Dh] queries, then mixed values
  Buffer language_targets;  ///< float32 [heads, batch, C] folded queries, then sums of tokens
  Buffer language_factors;  ///< float32 [batch, N] of the norm in front of the attention
  /// Rows of the windows of every group, by stage.
  std::vector<std::vector<std::vector<std::int32_t>>> windows;
  std::int64_t pad_base_of(const StageTables& tables) const noexcept {
    return batch * tables.tokens;
  }

  [[nodiscard]] std::int64_t bytes() const noexcept;

  std::int64_t batch = 0;
  bool for_observers = false;
};

}  // namespace conopa::engine
