#pragma once

#include "kernels/simd/vec_avx512.h"

namespace conopa::kernels::avx512 {

/// Conversions between Vec and the element types of activations; `Round` turns sixteen floats into
/// bfloat16.
template <typename Round>
struct ActLanes {
  using V = Vec;

  static Vec load_bf16(const std::uint16_t* p) noexcept {
    return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  /// The first n elements, zeros behind them; reads no further.
  static Vec load_bf16(const std::uint16_t* p, std::int64_t n) noexcept {
    return widen(_mm256_maskz_loadu_epi16(Vec::first(n).m, p));
  }
  /// Rounds to nearest even; NaN stays NaN.
  static void store_bf16(std::uint16_t* p, Vec x) noexcept {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), Round::round(x.v));
  }
  static void store_bf16(std::uint16_t* p, Vec x, std::int64_t n) noexcept {
    _mm256_mask_storeu_epi16(p, Vec::first(n).m, Round::round(x.v));
  }
  /// Rounds to nearest even, saturated.
  static void store_i8(std::int8_t* p, Vec x) noexcept {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(x.v)));
  }
  /// The larger magnitude; NaN counts as the largest.
  static Vec max_magnitude(Vec largest, Vec x) noexcept {
    return {_mm512_castsi512_ps(
        _mm512_max_epi32(_mm512_castps_si512(largest.v), _mm512_castps_si512(Vec::abs(x).v)))};
  }
  /// Largest lane of a result of max_magnitude.
  static float largest(Vec x) noexcept {
    const int bits = _mm512_reduce_max_epi32(_mm512_castps_si512(x.v));
    return _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(bits)));
  }

 private:
  static Vec widen(__m256i x) noexcept {
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16))};
  }
};

/// Rounding for machines without AVX-512 BF16.
struct RoundByBits {
  static __m256i round(__m512 x) noexcept {
    const __m512i bits = _mm512_castps_si512(x);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i up = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
    const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x00400000));
    const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    const __m512i rounded = _mm512_mask_mov_epi32(_mm512_add_epi32(bits, up), nan, quiet);
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16));
  }
};

}  // namespace conopa::kernels::avx512
