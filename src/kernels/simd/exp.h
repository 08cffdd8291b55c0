#pragma once

namespace conopa::kernels::simd {

/// 2^x for x <= 128, relative error below 1.2e-7; -inf gives 0, NaN stays NaN.
///
/// 2^x = 2^n * 2^r with n the nearest integer, |r| <= 1/2, and a degree-6 minimax polynomial for
/// 2^r (relative error 2.6e-9 before rounding).
template <typename V>
inline V exp2(V x) noexcept {
  // Below that power every result is 0; the clamp keeps x - n finite. AVX2's scaling ends at
  // 2^-127.
  x = V::max(V::set(V::kLowestPower), x);
  const V n = V::round(x);
  const V r = x - n;
  V p = V::fma(V::set(1.559475864e-04F), r, V::set(1.340667456e-03F));
  p = V::fma(p, r, V::set(9.617692607e-03F));
  p = V::fma(p, r, V::set(5.550310467e-02F));
  p = V::fma(p, r, V::set(2.402265279e-01F));
  p = V::fma(p, r, V::set(6.931472150e-01F));
  p = V::fma(p, r, V::set(1.0F));
  return V::scale_by_power(p, n);
}

/// e^x within 2 ulp where the result is a normal number; see vector_exp in activation.h.
///
/// x = n ln 2 + r with ln 2 split in two floats, then a degree-6 minimax polynomial whose first two
/// coefficients are exactly 1 (relative error 3.1e-9 before rounding).
template <typename V>
inline V exp(V x) noexcept {
  x = V::min(V::set(89.0F), V::max(V::set(V::kLowestPower * 0.69314718F), x));
  const V n = V::round(x * V::set(1.44269504F));
  V r = V::fma(n, V::set(-0.693359375F), x);  // nine bits: the product is exact
  r = V::fma(n, V::set(2.12194440e-4F), r);
  V p = V::fma(V::set(1.381456084e-03F), r, V::set(8.368735558e-03F));
  p = V::fma(p, r, V::set(4.166838984e-02F));
  p = V::fma(p, r, V::set(1.666652048e-01F));
  p = V::fma(p, r, V::set(4.999999344e-01F));
  p = V::fma(p, r, V::set(1.0F));
  p = V::fma(p, r, V::set(1.0F));
  return V::scale_by_power(p, n);
}

/// 1 / (1 + e^-x).
template <typename V>
inline V sigmoid(V x) noexcept {
  return V::set(1.0F) / (V::set(1.0F) + exp(V::zero() - x));
}

/// The normal distribution at x: density and lower tail.
template <typename V>
struct Normal {
  V density;
  V below;
};

/// Lower tail with relative error about 1e-7 near 0, growing like 6e-8 x^2 in the far tail.
///
/// For a = |x|: below(-a) = e^(-a^2/2) R(t), t = 1/(1 + 0.35 a), R a degree-9 minimax polynomial
/// without constant term (relative error 3.2e-8 on a <= 14, beyond which float32 underflows).
template <typename V>
inline Normal<V> normal(V x) noexcept {
  const V a = V::abs(x);
  const V bell = exp(V::set(-0.5F) * a * a);
  const V t = V::set(1.0F) / V::fma(V::set(0.35F), a, V::set(1.0F));
  V p = V::fma(V::set(-2.914597486e-02F), t, V::set(1.439718971e-01F));
  p = V::fma(p, t, V::set(-2.557146285e-01F));
  p = V::fma(p, t, V::set(1.591745439e-01F));
  p = V::fma(p, t, V::set(-2.311006879e-02F));
  p = V::fma(p, t, V::set(1.055080903e-01F));
  p = V::fma(p, t, V::set(1.198328488e-01F));
  p = V::fma(p, t, V::set(1.398618719e-01F));
  p = V::fma(p, t, V::set(1.396214042e-01F));
  const V tail = p * t * bell;
  const V below = V::select(V::less(x, V::zero()), tail, V::set(1.0F) - tail);
  return {.density = V::set(0.398942280F) * bell, .below = below};
}

}  // namespace conopa::kernels::simd
