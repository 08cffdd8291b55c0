#pragma once

namespace conopa::kernels::simd {

// Activations whose result is rounded to bfloat16: half a unit there is 2^-9 of the value, so that
// exp2 with 2^-13 and a reciprocal with 2^-14 (R::reciprocal) do. They take a third of the
// instructions of exp.h, which the faster matrix products would otherwise wait for.

/// 2^x for x up to 130, relative error 7.5e-5; infinity from 128 on, NaN stays NaN.
template <typename V>
inline V quick_exp2(V x) noexcept {
  x = V::min(V::set(130.0F), V::max(V::set(V::kLowestPower), x));
  const V n = V::round(x);
  const V r = x - n;
  V p = V::fma(V::set(5.517166909e-02F), r, V::set(2.426111222e-01F));
  p = V::fma(p, r, V::set(6.932609855e-01F));
  p = V::fma(p, r, V::set(9.999280735e-01F));
  return V::scale_by_power(p, n);
}

/// x / (1 + e^-x), relative error 1.5e-4.
template <typename V, typename R>
inline V quick_silu(V x) noexcept {
  const V e = quick_exp2(x * V::set(-1.44269504F));
  return x * R::reciprocal(V::set(1.0F) + e);
}

/// x times the normal distribution below x, by its logit: log2(below / above) is an odd polynomial
/// within 1.4e-3 (1 + (x/3)^4) for |x| <= 6 and grows beyond. The result is within 5e-4 of itself
/// for x > -1, 2e-3 for x > -3, and 1.3e-4 absolutely.
template <typename V, typename R>
inline V quick_gelu(V x) noexcept {
  const V square = x * x;
  V p = V::fma(V::set(-1.154902790e-05F), square, V::set(1.366829150e-03F));
  p = V::fma(p, square, V::set(-1.088633279e-01F));
  p = V::fma(p, square, V::set(-2.298663284e+00F));
  return x * R::reciprocal(V::set(1.0F) + quick_exp2(x * p));
}

}  // namespace conopa::kernels::simd
