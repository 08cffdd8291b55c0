#pragma once

#include <cstdint>

#include "conopa/kernels/act_rows.h"
#include "kernels/quantise.h"
#include "kernels/simd/lanes.h"

namespace conopa::kernels::simd {

// Writing rows of activations. `L` is an ActLanes: the conversions of one instruction set. A row is
// whole vectors up to its padding, so nothing but the last vector of values needs a mask.

/// Calls store(i, v) for every vector of a row: v = value(i, n), zero beyond the width.
template <typename V, typename Value, typename Store>
[[gnu::always_inline]] inline void for_padded(std::int64_t width, std::int64_t padded, Value value,
                                              Store store) noexcept {
  std::int64_t i = 0;
  for (; i + V::kLanes <= width; i += V::kLanes) store(i, value(i, AllLanes{}));
  if (i < width) {
    store(i, V::select(V::first(width - i), value(i, width - i), V::zero()));
    i += V::kLanes;
  }
  for (; i < padded; i += V::kLanes) store(i, V::zero());
}

/// Quantises a row: one pass for its largest magnitude, one that rounds.
template <typename L, typename Value>
[[gnu::always_inline]] inline void write_int8(std::int8_t* y, float& scale, std::int64_t width,
                                              Value value) noexcept {
  using V = typename L::V;
  V largest = V::zero();
  for_padded<V>(width, width, value,
                [&](std::int64_t, V v) { largest = L::max_magnitude(largest, v); });
  const RowScale s = row_scale(L::largest(largest));
  scale = s.scale;
  const std::int64_t padded = act_padded(ActType::kI8, width);
  if (!s.finite) {
    for (std::int64_t i = 0; i < padded; i += V::kLanes) L::store_i8(y + i, V::zero());
    return;
  }
  const V inverse = V::set(s.inverse);
  for_padded<V>(width, padded, value,
                [=](std::int64_t i, V v) { L::store_i8(y + i, v * inverse); });
}

/// Writes row `row` with its padding. value(i, n) gives n elements from i on; it is called twice
/// for int8.
template <typename L, typename Value>
[[gnu::always_inline]] inline void write_row(const MutableAct& to, std::int64_t row,
                                             std::int64_t width, Value value) noexcept {
  using V = typename L::V;
  const std::int64_t padded = act_padded(to.type, width);
  if (to.type == ActType::kF32) {
    float* const y = static_cast<float*>(to.data) + row * to.stride;
    for_padded<V>(width, padded, value, [=](std::int64_t i, V v) { v.store(y + i); });
  } else if (to.type == ActType::kBf16) {
    std::uint16_t* const y = static_cast<std::uint16_t*>(to.data) + row * to.stride;
    for_padded<V>(width, padded, value, [=](std::int64_t i, V v) { L::store_bf16(y + i, v); });
  } else {
    write_int8<L>(static_cast<std::int8_t*>(to.data) + row * to.stride, to.scale[row], width,
                  value);
  }
}

/// Reads a floating type.
template <typename L>
struct FloatSource {
  using Element = float;
  using V = typename L::V;
  template <typename N>
  static V load(const float* p, N n) noexcept {
    return V::load(p, n);
  }
};

template <typename L>
struct Bf16Source {
  using Element = std::uint16_t;
  using V = typename L::V;
  static V load(const std::uint16_t* p, AllLanes) noexcept { return L::load_bf16(p); }
  static V load(const std::uint16_t* p, std::int64_t n) noexcept { return L::load_bf16(p, n); }
};

}  // namespace conopa::kernels::simd
