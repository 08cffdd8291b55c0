#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/simd/lanes.h"

namespace conopa::kernels::avx512 {

/// Sixteen floats. Every vector type of simd/ has these members, so that the kernels are written
/// once as templates; max and min return their second argument if either is NaN.
struct Vec {
  static constexpr std::int64_t kLanes = 16;
  /// Vectors and rows of the register tile of simd/gemm.h: 6x4 or 8x3 of 32 registers.
  static constexpr std::int64_t kTileVectors = 4;
  static constexpr int kTileRows[5] = {0, 8, 8, 8, 6};
  /// scale_by_power underflows to 0 from here on (see simd/exp.h).
  static constexpr float kLowestPower = -152.0F;

  __m512 v;

  struct Mask {
    __mmask16 m;
  };

  static Vec zero() noexcept { return {_mm512_setzero_ps()}; }
  static Vec set(float x) noexcept { return {_mm512_set1_ps(x)}; }
  static Vec load(const float* p) noexcept { return {_mm512_loadu_ps(p)}; }
  static Vec load(const float* p, simd::AllLanes) noexcept { return load(p); }
  /// The first n <= kLanes elements, zeros behind them; reads no further.
  static Vec load(const float* p, std::int64_t n) noexcept {
    return {_mm512_maskz_loadu_ps(first(n).m, p)};
  }
  void store(float* p) const noexcept { _mm512_storeu_ps(p, v); }
  void store(float* p, simd::AllLanes) const noexcept { store(p); }
  void store(float* p, std::int64_t n) const noexcept { _mm512_mask_storeu_ps(p, first(n).m, v); }
  /// Each of the n/2 floats at p twice: the factors of adjacent pairs.
  static Vec load_twice(const float* p, std::int64_t n) noexcept {
    return twice(_mm256_maskz_loadu_ps(static_cast<__mmask8>(first(n / 2).m), p));
  }
  static Vec load_twice(const float* p, simd::AllLanes) noexcept {
    return twice(_mm256_loadu_ps(p));
  }

  /// Lanes below n; n may be outside [0, kLanes].
  static Mask first(std::int64_t n) noexcept {
    const unsigned count = n < 0 ? 0U : n > kLanes ? 16U : static_cast<unsigned>(n);
    return {static_cast<__mmask16>((1U << count) - 1U)};
  }
  static Mask first(simd::AllLanes) noexcept { return {0xFFFF}; }
  static Vec select(Mask mask, Vec yes, Vec no) noexcept {
    return {_mm512_mask_blend_ps(mask.m, no.v, yes.v)};
  }
  static Mask less(Vec a, Vec b) noexcept { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }

  friend Vec operator+(Vec a, Vec b) noexcept { return {_mm512_add_ps(a.v, b.v)}; }
  friend Vec operator-(Vec a, Vec b) noexcept { return {_mm512_sub_ps(a.v, b.v)}; }
  friend Vec operator*(Vec a, Vec b) noexcept { return {_mm512_mul_ps(a.v, b.v)}; }
  friend Vec operator/(Vec a, Vec b) noexcept { return {_mm512_div_ps(a.v, b.v)}; }
  /// a * b + c, rounded once.
  static Vec fma(Vec a, Vec b, Vec c) noexcept { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
  static Vec max(Vec a, Vec b) noexcept { return {_mm512_max_ps(a.v, b.v)}; }
  static Vec min(Vec a, Vec b) noexcept { return {_mm512_min_ps(a.v, b.v)}; }
  static Vec sqrt(Vec a) noexcept { return {_mm512_sqrt_ps(a.v)}; }
  static Vec abs(Vec a) noexcept { return {_mm512_abs_ps(a.v)}; }
  static Vec round(Vec a) noexcept {
    return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
  }
  /// a * 2^n for integral n; the range of n is unlimited.
  static Vec scale_by_power(Vec a, Vec n) noexcept { return {_mm512_scalef_ps(a.v, n.v)}; }

  [[nodiscard]] float sum() const noexcept { return _mm512_reduce_add_ps(v); }
  [[nodiscard]] float largest() const noexcept { return _mm512_reduce_max_ps(v); }

  /// Rotates adjacent pairs (a, b) to (a cos - b sin, b cos + a sin).
  static Vec rotate_pairs(Vec x, Vec cos, Vec sin) noexcept {
    const __m512 cross = _mm512_mul_ps(_mm512_permute_ps(x.v, 0xB1), sin.v);
    return {_mm512_fmaddsub_ps(x.v, cos.v, cross)};
  }
  static Vec rotate_pairs_back(Vec x, Vec cos, Vec sin) noexcept {
    const __m512 cross = _mm512_mul_ps(_mm512_permute_ps(x.v, 0xB1), sin.v);
    return {_mm512_fmsubadd_ps(x.v, cos.v, cross)};
  }

  /// Writes the transpose of the 16x16 block at `from` to `to`.
  static void transpose(const float* from, std::int64_t from_stride, float* to,
                        std::int64_t to_stride) noexcept {
    __m512 r[16];
    __m512 t[16];
    for (int i = 0; i < 16; ++i) r[i] = _mm512_loadu_ps(from + i * from_stride);
    for (int i = 0; i < 16; i += 2) {
      t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
      t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {  // r[i + c]: column c, c+4, c+8, c+12 of rows i..i+3
      r[i] = unpack_low(t[i], t[i + 2]);
      r[i + 1] = unpack_high(t[i], t[i + 2]);
      r[i + 2] = unpack_low(t[i + 1], t[i + 3]);
      r[i + 3] = unpack_high(t[i + 1], t[i + 3]);
    }
    for (int c = 0; c < 4; ++c) {
      const __m512 low0 = _mm512_shuffle_f32x4(r[c], r[c + 4], 0x88);  // columns c, c+8
      const __m512 low1 = _mm512_shuffle_f32x4(r[c + 8], r[c + 12], 0x88);
      const __m512 high0 = _mm512_shuffle_f32x4(r[c], r[c + 4], 0xDD);  // columns c+4, c+12
      const __m512 high1 = _mm512_shuffle_f32x4(r[c + 8], r[c + 12], 0xDD);
      _mm512_storeu_ps(to + c * to_stride, _mm512_shuffle_f32x4(low0, low1, 0x88));
      _mm512_storeu_ps(to + (c + 8) * to_stride, _mm512_shuffle_f32x4(low0, low1, 0xDD));
      _mm512_storeu_ps(to + (c + 4) * to_stride, _mm512_shuffle_f32x4(high0, high1, 0x88));
      _mm512_storeu_ps(to + (c + 12) * to_stride, _mm512_shuffle_f32x4(high0, high1, 0xDD));
    }
  }

 private:
  static Vec twice(__m256 low) noexcept {
    const __m512i index = _mm512_set_epi32(7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0);
    return {_mm512_permutexvar_ps(index, _mm512_castps256_ps512(low))};
  }
  static __m512 unpack_low(__m512 a, __m512 b) noexcept {
    return _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
  }
  static __m512 unpack_high(__m512 a, __m512 b) noexcept {
    return _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
  }
};

}  // namespace conopa::kernels::avx512
