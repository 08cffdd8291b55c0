#pragma once

#include <cstdint>

#include "conopa/kernels/attention.h"
#include "kernels/simd/exp.h"
#include "kernels/simd/rope.h"

namespace conopa::kernels::simd {

/// The keys that a query sees, always a prefix [0, limit(i)) of all keys. Inlined by force: a
/// shared copy compiled for AVX-512 must not be linked into the AVX2 kernels.
struct Visibility {
  std::int64_t keys = 0;
  bool all = true;
  bool first_open = false;
  std::int64_t prefix = 0;

  [[nodiscard, gnu::always_inline]] std::int64_t limit(std::int64_t i) const noexcept {
    if (all || (first_open && i == 0)) return keys;
    return i + 1 > prefix ? i + 1 : prefix;
  }
  /// Largest limit of the queries [begin, end).
  [[nodiscard, gnu::always_inline]] std::int64_t limit(std::int64_t begin,
                                                       std::int64_t end) const noexcept {
    return first_open && begin == 0 ? keys : limit(end - 1);
  }
  /// No query before this one, of those from `begin` on, sees a key from j on.
  [[nodiscard, gnu::always_inline]] std::int64_t first_query(std::int64_t j,
                                                             std::int64_t begin) const noexcept {
    if (all || j < prefix || j <= begin || (first_open && begin == 0)) return begin;
    return j;
  }
};

/// A mask for one head: where scores enter the softmax, and where weights reach the values.
struct HeadMask {
  Visibility score;
  Visibility value;
  bool soft = false;  ///< weights above the diagonal are multiplied by alpha
  float alpha = 1.0F;
};

static inline HeadMask head_mask(const AttentionMask& mask, std::int64_t b,
                                 std::int64_t keys) noexcept {
  HeadMask m;
  m.score.keys = keys;
  if (mask.kind == MaskKind::kSoftCausal) {
    m.value = m.score;
    m.soft = true;
    m.alpha = mask.alpha;
    m.value.all = !(mask.alpha == 0.0F);
    return m;
  }
  m.score.all = mask.kind == MaskKind::kNone;
  m.score.first_open = mask.kind == MaskKind::kCausalFirstOpen;
  if (mask.kind == MaskKind::kPrefixCausal) m.score.prefix = mask.prefix.data()[b];
  m.value = m.score;
  return m;
}

struct SoftmaxRow {
  float top = 0.0F;
  float sum = 0.0F;
};

/// s[j] = f_j 2^(s[j] - top) for j < limit, 0 up to `padded`; the sum is taken before the soft
/// factor f (1 up to `diagonal`, alpha behind it; diagonal >= limit for no factor).
template <typename V>
inline SoftmaxRow softmax_row(float* s, std::int64_t limit, std::int64_t padded,
                              std::int64_t diagonal, float alpha) noexcept {
  const std::int64_t whole = limit / V::kLanes * V::kLanes;
  const V low = V::set(-__builtin_inff());
  V top = low;
  for (std::int64_t j = 0; j < whole; j += V::kLanes) top = V::max(V::load(s + j), top);
  if (whole < limit) {
    top = V::max(V::select(V::first(limit - whole), V::load(s + whole), low), top);
  }
  SoftmaxRow row{.top = top.largest()};
  const V shift = V::set(row.top);
  V sum = V::zero();
  const std::int64_t plain = (diagonal < limit ? diagonal : limit) / V::kLanes * V::kLanes;
  std::int64_t j = 0;
  for (; j < plain; j += V::kLanes) {
    const V e = exp2(V::load(s + j) - shift);
    sum = sum + e;
    e.store(s + j);
  }
  for (; j < limit; j += V::kLanes) {
    const V e = V::select(V::first(limit - j), exp2(V::load(s + j) - shift), V::zero());
    sum = sum + e;
    V::select(V::first(diagonal - j), e, e * V::set(alpha)).store(s + j);
  }
  for (; j < padded; j += V::kLanes) V::zero().store(s + j);
  row.sum = sum.sum();
  return row;
}

/// One query's extents in softmax_backward_row.
struct BackwardExtents {
  std::int64_t score;     ///< keys in the softmax
  std::int64_t value;     ///< keys whose weights reach the values; dweights is valid up to here
  std::int64_t diagonal;  ///< the soft factor is 1 up to here
  std::int64_t padded;    ///< both rows are written up to here
  float alpha;
};

/// s: scores -> masked weights A; da: dL/dA -> dL/dscores (in the natural scale of the scores).
///
/// P = 2^(s - lse), A = f P, dS = P (f dA - sum_j P f dA).
template <typename V>
inline void softmax_backward_row(float* s, float* da, float lse, BackwardExtents x) noexcept {
  const V shift = V::set(lse);
  const V alpha = V::set(x.alpha);
  const std::int64_t inner = x.value < x.diagonal ? x.value : x.diagonal;
  const std::int64_t whole = (inner < x.score ? inner : x.score) / V::kLanes * V::kLanes;
  V dot = V::zero();
  std::int64_t j = 0;
  for (; j < whole; j += V::kLanes) {
    const V p = exp2(V::load(s + j) - shift);
    dot = V::fma(p, V::load(da + j), dot);
    p.store(s + j);
  }
  for (; j < x.score; j += V::kLanes) {
    const V p = V::select(V::first(x.score - j), exp2(V::load(s + j) - shift), V::zero());
    V d = V::select(V::first(x.value - j), V::load(da + j), V::zero());
    d = V::select(V::first(x.diagonal - j), d, d * alpha);
    dot = V::fma(p, d, dot);
    p.store(s + j);
    d.store(da + j);
  }
  for (; j < x.padded; j += V::kLanes) {
    V::zero().store(s + j);
    V::zero().store(da + j);
  }
  const V mean = V::set(dot.sum());
  for (j = 0; j < whole; j += V::kLanes) {
    ((V::load(da + j) - mean) * V::load(s + j)).store(da + j);
  }
  for (; j < x.score; j += V::kLanes) {
    const V p = V::load(s + j);
    ((V::load(da + j) - mean) * p).store(da + j);
    const V a = V::select(V::first(x.diagonal - j), p, p * alpha);
    V::select(V::first(x.value - j), a, V::zero()).store(s + j);
  }
}

/// Asks for the cache lines of `width` floats at p ahead of their use; any address is allowed.
/// Inlined by force: GCC drops calls to functions that do nothing but prefetch.
template <bool kWrite>
[[gnu::always_inline]] inline void prefetch_row(const float* p, std::int64_t width) noexcept {
  constexpr std::int64_t kLine = 16;
  for (std::int64_t d = 0; d < width; d += kLine) __builtin_prefetch(p + d, kWrite ? 1 : 0, 3);
  __builtin_prefetch(p + width - 1, kWrite ? 1 : 0, 3);  // unaligned rows end in one line more
}

/// Copies one head's rows into a dense [rows, padded] block, rotated and scaled; the padding is 0.
template <typename V>
inline void load_head(const ConstRows& rows, std::int64_t first_row, std::int64_t count,
                      std::int64_t head_offset, std::int64_t width, const RopeTable& rope,
                      std::int64_t b, std::int64_t h, float factor, float* to,
                      std::int64_t to_stride) noexcept {
  for (std::int64_t n = 0; n < count; ++n) {
    float* target = to + n * to_stride;
    if (width < to_stride) V::zero().store(target + to_stride - V::kLanes);
    rotate_row<V, false>(rows.row(first_row + n) + head_offset, target, width, rope.pairs,
                         angles_of(rope, b, n, h, width), factor);
  }
}

}  // namespace conopa::kernels::simd
