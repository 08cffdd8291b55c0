#pragma once

#include <cstdint>
#include <span>

namespace conopa::kernels {

/// Target distributions over K classes: either dense rows or one label with smoothing.
struct LossTarget {
  std::span<const float> dense{};          ///< [B, K], any non-negative weights; or empty
  std::span<const std::int64_t> labels{};  ///< [B] in [0, K), used when dense is empty
  float smoothing = 0.0F;                  ///< labels: (1-s) on the label plus s/K on every class
};

/// Cross entropy of softmax(logits) against the target, per row: -sum_k t_k log softmax(x)_k.
///
/// @param logits  [B, K].
/// @param loss    [B].
/// @param lse     [B] log-sum-exp of the logits, needed by backward; may be empty.
/// @throws ShapeError if sizes do not fit or a label is outside [0, K).
/// @complexity O(B*K), no allocation. Thread-safe.
void cross_entropy_forward(std::int64_t classes, std::span<const float> logits,
                           const LossTarget& target, std::span<float> loss, std::span<float> lse);

/// dlogits = dloss * (softmax(logits) * sum(t) - t).
///
/// @param dloss  [B], or one value for every row.
/// @param dlogits  [B, K]; may be logits itself.
void cross_entropy_backward(std::int64_t classes, std::span<const float> logits,
                            const LossTarget& target, std::span<const float> lse,
                            std::span<const float> dloss, std::span<float> dlogits);

}  // namespace conopa::kernels
