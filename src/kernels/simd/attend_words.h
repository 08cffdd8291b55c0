#pragma once

#include "kernels/simd/act_rows.h"

namespace conopa::kernels::simd {

/// 2^r for r in [0, 1), relative error 7.5e-8 and 7.5e-5 before rounding (minimax). The latter is
/// a thirtieth of what rounding a weight to bfloat16 costs.
template <typename V>
[[gnu::always_inline]] inline V power_of_fraction(V r) noexcept {
  V p = V::fma(V::set(1.877576695e-03F), r, V::set(8.989339694e-03F));
  p = V::fma(p, r, V::set(5.582631752e-02F));
  p = V::fma(p, r, V::set(2.401536107e-01F));
  p = V::fma(p, r, V::set(6.931530833e-01F));
  return V::fma(p, r, V::set(9.999999404e-01F));
}
template <typename V>
[[gnu::always_inline]] inline V rough_power_of_fraction(V r) noexcept {
  V p = V::fma(V::set(7.802452147e-02F), r, V::set(2.260671556e-01F));
  p = V::fma(p, r, V::set(6.958335638e-01F));
  return V::fma(p, r, V::set(9.999251962e-01F));
}

/// Words that are floats, for simd/attend.h. `Source` reads the elements, `L` converts.
template <typename L, typename Source>
struct FloatWords {
  using V = typename L::V;
  using Element = typename Source::Element;
  static constexpr std::int64_t kPerWord = 1;
  static constexpr bool kInPlace = sizeof(Element) == sizeof(float);

  template <typename N>
  [[gnu::always_inline]] static V load(const Element* p, N n) noexcept {
    return Source::load(p, n);
  }
  template <typename N>
  [[gnu::always_inline]] static V values(const Element* const (&keys)[1], std::int64_t d,
                                         N n) noexcept {
    return Source::load(keys[0] + d, n);
  }
  [[gnu::always_inline]] static void store(float* to, V a, V b) noexcept {
    a.store(to);
    b.store(to + V::kLanes);
  }
  [[gnu::always_inline]] static void store_out(float* to, V v, AllLanes) noexcept { v.store(to); }
  [[gnu::always_inline]] static void store_out(float* to, V v, std::int64_t n) noexcept {
    v.store(to, n);
  }
  [[gnu::always_inline]] static void store_out(std::uint16_t* to, V v, AllLanes) noexcept {
    L::store_bf16(to, v);
  }
  [[gnu::always_inline]] static void store_out(std::uint16_t* to, V v, std::int64_t n) noexcept {
    L::store_bf16(to, v, n);
  }
};

}  // namespace conopa::kernels::simd
