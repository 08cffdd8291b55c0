#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/simd/lanes.h"

namespace conopa::kernels::avx2 {

/// Eight floats, with the members of avx512::Vec.
struct Vec {
  static constexpr std::int64_t kLanes = 8;
  static constexpr std::int64_t kTileVectors = 2;  // 6x2 accumulators of 16 registers
  static constexpr int kTileRows[3] = {0, 8, 6};
  static constexpr float kLowestPower = -127.0F;

  __m256 v;

  struct Mask {
    __m256 m;
  };

  static Vec zero() noexcept { return {_mm256_setzero_ps()}; }
  static Vec set(float x) noexcept { return {_mm256_set1_ps(x)}; }
  static Vec load(const float* p) noexcept { return {_mm256_loadu_ps(p)}; }
  static Vec load(const float* p, simd::AllLanes) noexcept { return load(p); }
  static Vec load(const float* p, std::int64_t n) noexcept {
    return {_mm256_maskload_ps(p, _mm256_castps_si256(first(n).m))};
  }
  void store(float* p) const noexcept { _mm256_storeu_ps(p, v); }
  void store(float* p, simd::AllLanes) const noexcept { store(p); }
  void store(float* p, std::int64_t n) const noexcept {
    _mm256_maskstore_ps(p, _mm256_castps_si256(first(n).m), v);
  }
  static Vec load_twice(const float* p, std::int64_t n) noexcept { return twice(load(p, n / 2).v); }
  static Vec load_twice(const float* p, simd::AllLanes) noexcept {
    return twice(_mm256_castps128_ps256(_mm_loadu_ps(p)));
  }

  static Mask first(std::int64_t n) noexcept {
    const std::int64_t count = n < 0 ? 0 : n > kLanes ? kLanes : n;
    const __m256i lane = _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
    return {
        _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lane))};
  }
  static Mask first(simd::AllLanes) noexcept { return first(kLanes); }
  static Vec select(Mask mask, Vec yes, Vec no) noexcept {
    return {_mm256_blendv_ps(no.v, yes.v, mask.m)};
  }
  static Mask less(Vec a, Vec b) noexcept { return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)}; }

  friend Vec operator+(Vec a, Vec b) noexcept { return {_mm256_add_ps(a.v, b.v)}; }
  friend Vec operator-(Vec a, Vec b) noexcept { return {_mm256_sub_ps(a.v, b.v)}; }
  friend Vec operator*(Vec a, Vec b) noexcept { return {_mm256_mul_ps(a.v, b.v)}; }
  friend Vec operator/(Vec a, Vec b) noexcept { return {_mm256_div_ps(a.v, b.v)}; }
  static Vec fma(Vec a, Vec b, Vec c) noexcept { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
  static Vec max(Vec a, Vec b) noexcept { return {_mm256_max_ps(a.v, b.v)}; }
  static Vec min(Vec a, Vec b) noexcept { return {_mm256_min_ps(a.v, b.v)}; }
  static Vec sqrt(Vec a) noexcept { return {_mm256_sqrt_ps(a.v)}; }
  static Vec abs(Vec a) noexcept { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0F), a.v)}; }
  static Vec round(Vec a) noexcept {
    return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
  }
  /// a * 2^n for integral n in [-127, 128]; -127 gives 0 and 128 infinity.
  static Vec scale_by_power(Vec a, Vec n) noexcept {
    const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n.v), _mm256_set1_epi32(127));
    return {_mm256_mul_ps(a.v, _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23)))};
  }

  [[nodiscard]] float sum() const noexcept {
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
  }
  [[nodiscard]] float largest() const noexcept {
    __m128 x = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    x = _mm_max_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
  }

  static Vec rotate_pairs(Vec x, Vec cos, Vec sin) noexcept {
    const __m256 cross = _mm256_mul_ps(_mm256_permute_ps(x.v, 0xB1), sin.v);
    return {_mm256_fmaddsub_ps(x.v, cos.v, cross)};
  }
  static Vec rotate_pairs_back(Vec x, Vec cos, Vec sin) noexcept {
    const __m256 cross = _mm256_mul_ps(_mm256_permute_ps(x.v, 0xB1), sin.v);
    return {_mm256_fmsubadd_ps(x.v, cos.v, cross)};
  }

  /// Writes the transpose of the 8x8 block at `from` to `to`.
  static void transpose(const float* from, std::int64_t from_stride, float* to,
                        std::int64_t to_stride) noexcept {
    __m256 r[8];
    __m256 t[8];
    for (int i = 0; i < 8; ++i) r[i] = _mm256_loadu_ps(from + i * from_stride);
    for (int i = 0; i < 8; i += 2) {
      t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
      t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
      r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
      r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xEE);
      r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
      r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xEE);
    }
    for (int c = 0; c < 4; ++c) {
      _mm256_storeu_ps(to + c * to_stride, _mm256_permute2f128_ps(r[c], r[c + 4], 0x20));
      _mm256_storeu_ps(to + (c + 4) * to_stride, _mm256_permute2f128_ps(r[c], r[c + 4], 0x31));
    }
  }

 private:
  static Vec twice(__m256 low) noexcept {
    const __m256i index = _mm256_set_epi32(3, 3, 2, 2, 1, 1, 0, 0);
    return {_mm256_permutevar8x32_ps(low, index)};
  }
};

}  // namespace conopa::kernels::avx2
