#pragma once

#include <cstdint>
#include <string>

#include "conopa/kernels/act_rows.h"
#include "conopa/kernels/attention.h"
#include "conopa/kernels/isa.h"

namespace conopa::kernels {

/// Softmax attention of inference over rows of activations (kF32 or kBf16, all the same type).
///
/// Head h of a row holds columns [h*Dh, (h+1)*Dh) of q, k, v and out. Queries and keys are rotated
/// already (LinearRope). Sequence s owns query rows q_rows[s*queries .. ] and key rows
/// k_rows[s*keys .. ]; without an index its rows are consecutive. Windows of a map are sequences
/// with an index.
struct AttendArgs {
  std::int64_t sequences = 0;
  std::int64_t queries = 0;
  std::int64_t keys = 0;  ///< equal to queries for every mask but kNone
  std::int64_t heads = 0;
  std::int64_t head_width = 0;
  ConstAct q{};
  ConstAct k{};
  ConstAct v{};
  MutableAct out{};                      ///< row of a query = row of q
  const std::int32_t* q_rows = nullptr;  ///< [sequences*queries] or null
  const std::int32_t* k_rows = nullptr;  ///< [sequences*keys] or null
  float scale = 1.0F;
  AttentionMask mask{};
};

/// out = softmax(scale * q k^T, mask) v, head by head; the padding of out's rows becomes zero.
///
/// Scores exist for a tile of queries and a block of keys at a time (streaming softmax), keys that
/// the mask makes zero for a whole tile are skipped. The soft causal mask keeps the denominators of
/// full rows. kBf16 rounds the softmax weights to bfloat16 where the products take it (AVX-512
/// BF16, AMX); sums are float32. Columns of q, k and v outside the heads are not read.
///
/// A NaN in q, k or v reaches every output row whose query sees it; a NaN at a key that a mask
/// hides may or may not reach it.
/// @throws ShapeError if types differ, a pointer is null, strides are too small (H*Dh; of out
///         act_padded), the scale is negative or the mask does not fit; UnsupportedError for kI8.
/// @complexity O(S*H*Nq*Nk*Dh), scratch of some hundred KiB kept per thread. Thread-safe; parallel
///             over sequences, heads and query tiles; the result does not depend on the threads.
void attend(const AttendArgs& args);
/// As above with kernels up to level `isa`.
/// @throws UnsupportedError if `isa` is above detected_isa().
void attend(const AttendArgs& args, Isa isa);

/// Kernel that attend would choose, e.g. "avx512_bf16".
/// @throws UnsupportedError as attend.
[[nodiscard]] std::string explain_attend(ActType type, Isa isa);

}  // namespace conopa::kernels
