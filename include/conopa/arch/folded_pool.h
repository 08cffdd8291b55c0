#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace conopa::arch {

/// Batch norm without affine at inference: y = (x − shift)·scale. Both empty: none.
struct ChannelShift {
  std::vector<float> shift, scale;  ///< [D]
};

/// Of a batch norm's running statistics, with the epsilon of probes (1e-6).
/// @param variance  [D], as many as `mean`.
[[nodiscard]] ChannelShift batch_norm_shift(std::vector<float> mean,
                                            std::span<const float> variance);

/// Parameters of an attention read-out, float32.
struct PoolTensors {
  std::span<const float> queries;     ///< [Q, D]
  std::span<const float> keys;        ///< [D, D]
  std::span<const float> values;      ///< [D, D]
  std::span<const float> value_bias;  ///< [D] or empty; a bias of keys changes no softmax
  const ChannelShift& norm;           ///< of the tokens
  std::int64_t width = 0;             ///< D
  std::int64_t heads = 1;
};

/// An attention read-out whose fixed queries are multiplied into its keys: a token's scores are
/// `scores · x`, and with the means over queries of the softmax as weights of the tokens, a head's
/// output is its rows of `values` times the gathered token, plus its part of `bias`.
struct FoldedPool {
  std::vector<float> scores;  ///< [heads·Q, D], by head
  std::vector<float> values;  ///< [D, D], by head
  std::vector<float> bias;    ///< [D]
};

/// Exact but for rounding; sums run in double precision.
/// @complexity O(Q·D² + D²) on parallel_for's threads.
[[nodiscard]] FoldedPool fold_pool(const PoolTensors& pool);

}  // namespace conopa::arch
