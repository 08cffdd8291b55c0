#pragma once

#include <cstdint>
#include <span>

#include "conopa/kernels/rope.h"
#include "conopa/kernels/rows.h"

namespace conopa::kernels {

/// Which keys a query sees. i is the query's index, j the key's.
enum class MaskKind {
  kNone,             ///< every key
  kCausal,           ///< j <= i, minus infinity elsewhere before the softmax
  kSoftCausal,       ///< softmax over all keys, then times alpha + (1-alpha)*[j <= i]; the rows are
                     ///< not renormalised (released iLLaMA, arXiv 2404.06773 Eq. 2)
  kCausalFirstOpen,  ///< kCausal with query 0 seeing every key (arXiv 2404.06773 Fig. 2c)
  kPrefixCausal      ///< j <= i or j < prefix[b] (AIM, arXiv 2401.08541)
};

struct AttentionMask {
  MaskKind kind = MaskKind::kNone;
  float alpha = 0.0F;                      ///< kSoftCausal: weight above the diagonal, in [0, 1]
  std::span<const std::int64_t> prefix{};  ///< kPrefixCausal: [B], each in [0, N]
};

struct AttentionShape {
  std::int64_t batch = 0;
  std::int64_t queries = 0;
  std::int64_t keys = 0;  ///< equal to queries for every mask but kNone
  std::int64_t heads = 0;
  std::int64_t head_width = 0;
};

/// What both passes read. Row (b, n) of q holds H*Dh channels, head-major; k and v likewise.
struct AttentionInput {
  AttentionShape shape{};
  ConstRows q{};  ///< B*Nq rows
  ConstRows k{};  ///< B*Nk rows
  ConstRows v{};  ///< B*Nk rows
  float scale = 1.0F;
  AttentionMask mask{};
  RopeTable rope_q{};  ///< applied to q on the fly; empty for none
  RopeTable rope_k{};  ///< applied to k on the fly; empty for none
};

/// Self-attention input from one fused projection.
///
/// @param qkv  [B, N, 3, H, Dh] contiguous.
/// @throws ShapeError if qkv is shorter than the shape says or queries != keys.
[[nodiscard]] AttentionInput packed_attention(const AttentionShape& shape,
                                              std::span<const float> qkv, float scale,
                                              const AttentionMask& mask, const RopeTable& rope);

/// What attention_forward writes. Only `out` is required.
struct AttentionOutput {
  std::span<float> out{};  ///< [B, Nq, H, Dh]
  std::span<float> lse{};  ///< [B, H, Nq] log-sum-exp of the scaled scores; backward needs it
  std::span<float> map{};  ///< [B, H, Nq, Nk] attention weights after the mask, for analysis
};

/// Gradients in the layout of the inputs; every element is overwritten.
struct AttentionGrads {
  MutableRows dq{};
  MutableRows dk{};
  MutableRows dv{};
};

/// Gradients as one fused buffer [B, N, 3, H, Dh], the counterpart of packed_attention.
[[nodiscard]] AttentionGrads packed_attention_grads(const AttentionShape& shape,
                                                    std::span<float> dqkv);

/// out = (softmax(scale * rope(q) rope(k)^T, mask)) v.
///
/// A NaN in q, k or v reaches every output row whose query sees it; a NaN at a key that a mask
/// hides may or may not reach it.
/// @throws ShapeError if buffers or mask do not fit the shape.
/// @complexity O(B*H*Nq*Nk*Dh) time, a few hundred KiB of scratch per thread. Thread-safe;
///             parallel over B*H; the result does not depend on the thread count.
void attention_forward(const AttentionInput& input, const AttentionOutput& output);

/// Gradients of attention_forward; recomputes the weights from `lse`.
///
/// @param dout  [B, Nq, H, Dh].
/// @param lse   [B, H, Nq] as attention_forward wrote it for the same input.
/// @throws ShapeError like attention_forward.
void attention_backward(const AttentionInput& input, std::span<const float> dout,
                        std::span<const float> lse, const AttentionGrads& grads);

}  // namespace conopa::kernels
