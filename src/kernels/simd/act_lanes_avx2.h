#pragma once

#include "kernels/simd/vec_avx2.h"

namespace conopa::kernels::avx2 {

/// Conversions between Vec and the element types of activations.
struct ActLanes {
  using V = Vec;

  static Vec load_bf16(const std::uint16_t* p) noexcept {
    const __m256i wide =
        _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    return {_mm256_castsi256_ps(_mm256_slli_epi32(wide, 16))};
  }
  /// The first n elements, zeros behind them; reads no further.
  static Vec load_bf16(const std::uint16_t* p, std::int64_t n) noexcept {
    alignas(16) std::uint16_t part[8] = {};
    for (std::int64_t i = 0; i < n; ++i) part[i] = p[i];
    return load_bf16(part);
  }
  /// Rounds to nearest even; NaN stays NaN.
  static void store_bf16(std::uint16_t* p, Vec x) noexcept {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), round(x));
  }
  static void store_bf16(std::uint16_t* p, Vec x, std::int64_t n) noexcept {
    alignas(16) std::uint16_t part[8];
    _mm_store_si128(reinterpret_cast<__m128i*>(part), round(x));
    for (std::int64_t i = 0; i < n; ++i) p[i] = part[i];
  }
  /// Rounds to nearest even, saturated.
  static void store_i8(std::int8_t* p, Vec x) noexcept {
    const __m256i wide = _mm256_cvtps_epi32(x.v);
    const __m128i half =
        _mm_packs_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi16(half, half));
  }
  /// The larger magnitude; NaN counts as the largest.
  static Vec max_magnitude(Vec largest, Vec x) noexcept {
    const __m256i a = _mm256_castps_si256(largest.v);
    const __m256i b = _mm256_castps_si256(Vec::abs(x).v);
    return {_mm256_castsi256_ps(_mm256_max_epi32(a, b))};
  }
  /// Largest lane of a result of max_magnitude.
  static float largest(Vec x) noexcept {
    const __m256i wide = _mm256_castps_si256(x.v);
    __m128i a = _mm_max_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
    a = _mm_max_epi32(a, _mm_shuffle_epi32(a, 0x4E));
    a = _mm_max_epi32(a, _mm_shuffle_epi32(a, 0xB1));
    return _mm_cvtss_f32(_mm_castsi128_ps(a));
  }

 private:
  static __m128i round(Vec x) noexcept {
    const __m256i bits = _mm256_castps_si256(x.v);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i up = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
    const __m256 rounded = _mm256_castsi256_ps(_mm256_add_epi32(bits, up));
    const __m256 quiet = _mm256_castsi256_ps(_mm256_or_si256(bits, _mm256_set1_epi32(0x00400000)));
    const __m256 nan = _mm256_cmp_ps(x.v, x.v, _CMP_UNORD_Q);
    const __m256i upper =
        _mm256_srli_epi32(_mm256_castps_si256(_mm256_blendv_ps(rounded, quiet, nan)), 16);
    return _mm_packus_epi32(_mm256_castsi256_si128(upper), _mm256_extracti128_si256(upper, 1));
  }
};

}  // namespace conopa::kernels::avx2
