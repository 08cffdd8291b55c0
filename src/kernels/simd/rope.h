#pragma once

#include <cstdint>

#include "conopa/core/parallel.h"
#include "conopa/kernels/rope.h"
#include "kernels/simd/lanes.h"

namespace conopa::kernels::simd {

/// The angles of one row; null for no rotation.
struct RopeAngles {
  const float* cos = nullptr;
  const float* sin = nullptr;
};

static inline RopeAngles angles_of(const RopeTable& table, std::int64_t b, std::int64_t n,
                                   std::int64_t h, std::int64_t width) noexcept {
  if (table.empty()) return {};
  const std::int64_t row = n * (width / 2) + h * table.head_stride + b * table.batch_stride;
  return {table.cos.data() + row, table.sin.data() + row};
}

/// y = factor * x.
template <typename V>
inline void scale_row(const float* x, float* y, std::int64_t width, float factor) noexcept {
  for_vectors<V>(0, width, [=](std::int64_t d, auto n) {
    (V::load(x + d, n) * V::set(factor)).store(y + d, n);
  });
}

/// y = factor * rotation of x (kBack: by the negative angles); y may be x.
template <typename V, bool kBack>
inline void rotate_adjacent(const float* x, float* y, std::int64_t width, RopeAngles angles,
                            float factor) noexcept {
  for_vectors<V>(0, width, [=](std::int64_t d, auto n) {
    const V cos = V::load_twice(angles.cos + d / 2, n);
    const V sin = V::load_twice(angles.sin + d / 2, n);
    const V in = V::load(x + d, n) * V::set(factor);
    (kBack ? V::rotate_pairs_back(in, cos, sin) : V::rotate_pairs(in, cos, sin)).store(y + d, n);
  });
}

template <typename V, bool kBack>
inline void rotate_halves(const float* x, float* y, std::int64_t width, RopeAngles angles,
                          float factor) noexcept {
  const std::int64_t half = width / 2;
  for_vectors<V>(0, half, [=](std::int64_t p, auto n) {
    const V cos = V::load(angles.cos + p, n) * V::set(factor);
    const V sin = V::load(angles.sin + p, n) * V::set(kBack ? -factor : factor);
    const V a = V::load(x + p, n);
    const V b = V::load(x + half + p, n);
    (a * cos - b * sin).store(y + p, n);
    (b * cos + a * sin).store(y + half + p, n);
  });
}

/// Rotates (or, without angles, only scales) one head of one token.
template <typename V, bool kBack>
inline void rotate_row(const float* x, float* y, std::int64_t width, RopePairs pairs,
                       RopeAngles angles, float factor) noexcept {
  if (angles.cos == nullptr) {
    scale_row<V>(x, y, width, factor);
  } else if (pairs == RopePairs::kAdjacent) {
    rotate_adjacent<V, kBack>(x, y, width, angles, factor);
  } else {
    rotate_halves<V, kBack>(x, y, width, angles, factor);
  }
}

template <typename V>
void rope(const RopeShape& shape, const RopeTable& table, RopeDirection direction, ConstRows x,
          MutableRows y) {
  const std::int64_t width = shape.head_width;
  const bool back = direction == RopeDirection::kInverse;
  parallel_for(0, shape.batch * shape.tokens, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      for (std::int64_t h = 0; h < shape.heads; ++h) {
        const RopeAngles angles = angles_of(table, r / shape.tokens, r % shape.tokens, h, width);
        const float* source = x.row(r) + h * width;
        float* target = y.row(r) + h * width;
        if (back) {
          rotate_row<V, true>(source, target, width, table.pairs, angles, 1.0F);
        } else {
          rotate_row<V, false>(source, target, width, table.pairs, angles, 1.0F);
        }
      }
    }
  });
}

}  // namespace conopa::kernels::simd
