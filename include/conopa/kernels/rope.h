#pragma once

#include <cstdint>
#include <span>

#include "conopa/kernels/rows.h"

namespace conopa::kernels {

/// Which two channels of a head form one rotated pair.
enum class RopePairs {
  kAdjacent,  ///< (2p, 2p+1): Meta's LLaMA, iLLaMA, VisionLLaMA
  kHalfSplit  ///< (p, p + Dh/2): Hugging Face "rotate half"
};

enum class RopeDirection { kForward, kInverse };

/// Cosines and sines of the rotation angles, one row of Dh/2 per token.
///
/// Row of token n, head h, sample b starts at n*(Dh/2) + h*head_stride + b*batch_stride; a zero
/// stride shares the table. Per-sample tables serve masked pre-training, where each visible token
/// keeps its own angles.
struct RopeTable {
  std::span<const float> cos{};
  std::span<const float> sin{};
  std::int64_t head_stride = 0;
  std::int64_t batch_stride = 0;
  RopePairs pairs = RopePairs::kAdjacent;

  [[nodiscard]] bool empty() const noexcept { return cos.empty(); }
};

/// What rope() rotates: `batch * tokens` rows of `heads * head_width` channels.
struct RopeShape {
  std::int64_t batch = 0;
  std::int64_t tokens = 0;
  std::int64_t heads = 0;
  std::int64_t head_width = 0;
};

/// Rotates every channel pair (a, b) to (a cos - b sin, a sin + b cos); kInverse uses -sin, which
/// is also the backward pass.
///
/// @param x  [B, N, H, Dh] rows, stride >= H*Dh.
/// @param y  same shape; may be x itself (rotation in place) but not overlap it otherwise.
/// @throws ShapeError if Dh is odd or a buffer is too short.
/// @complexity O(B*N*H*Dh), no allocation. Thread-safe.
void rope(const RopeShape& shape, const RopeTable& table, RopeDirection direction, ConstRows x,
          MutableRows y);

}  // namespace conopa::kernels
