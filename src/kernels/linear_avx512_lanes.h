#pragma once

// What the AVX-512 files of linear share. In an unnamed namespace for the reason given in
// matmul_tile.h.

#include "kernels/linear_kernel.h"
#include "kernels/simd/exp.h"
#include "kernels/simd/quick.h"
#include "kernels/simd/vec_avx512.h"

namespace conopa::kernels::detail {
namespace {

using Vec512 = kernels::avx512::Vec;

/// Sixteen bytes or half-words at any address.
inline __m128i load128(const std::byte* from) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}
inline __m256i load256(const std::byte* from) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}

struct Loads512 {
  static Vec512 half(const std::byte* from) { return {_mm512_cvtph_ps(load256(from))}; }
  static Vec512 int8(const std::byte* from) {
    return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(load128(from)))};
  }
  static Vec512 low_nibble(const std::byte* from) {
    const __m512i both = _mm512_cvtepu8_epi32(load128(from));
    return nibble(_mm512_and_si512(both, _mm512_set1_epi32(15)));
  }
  static Vec512 high_nibble(const std::byte* from) {
    return nibble(_mm512_srli_epi32(_mm512_cvtepu8_epi32(load128(from)), 4));
  }

 private:
  static Vec512 nibble(__m512i value) {
    return {_mm512_cvtepi32_ps(_mm512_sub_epi32(value, _mm512_set1_epi32(8)))};
  }
};

/// The part of the Vec concept of matmul_tile.h that does not multiply, for int32 sums.
struct Int512Lanes {
  using Sum = __m512i;
  using Operand = __m512i;
  static constexpr int kWidth = 16;
  static constexpr int kPanel = 32;
  static constexpr int kTileRows = 14;
  static constexpr int kTilePitch = 16;

  static Sum zero() { return _mm512_setzero_si512(); }
  static Sum add(Sum left, Sum right) { return _mm512_add_epi32(left, right); }
  static __mmask16 mask(std::int64_t count) { return Vec512::first(count).m; }
  static Sum load_sum(const float* from) { return _mm512_loadu_si512(from); }
  static Sum load_masked(const float* from, __mmask16 mask) {
    return _mm512_maskz_loadu_epi32(mask, from);
  }
  static void store(float* to, Sum value) { _mm512_storeu_si512(to, value); }
  static void store_masked(float* to, __mmask16 mask, Sum value) {
    _mm512_mask_storeu_epi32(to, mask, value);
  }
  static Operand load(const Word* from) { return _mm512_loadu_si512(from); }
  static Operand broadcast(const Word* from) { return _mm512_castps_si512(_mm512_set1_ps(*from)); }
};

/// Integer arithmetic rounds without the BF16 extension; see simd/vec_avx512.h for the lanes.
struct Out512 {
  /// int32 sums minus 128 times `offset`, which undoes the kU8 words.
  static Vec512 from_int(const float* from, std::int32_t offset) {
    const __m512i sums = _mm512_loadu_si512(from);
    const auto shift = static_cast<std::int32_t>(static_cast<std::uint32_t>(offset) << 7U);
    return {_mm512_cvtepi32_ps(_mm512_sub_epi32(sums, _mm512_set1_epi32(shift)))};
  }
  static Vec512 reciprocal(Vec512 x) { return {_mm512_rcp14_ps(x.v)}; }
  template <bool kBf16>
  static Vec512 gelu(Vec512 x) {
    return kBf16 ? simd::quick_gelu<Vec512, Out512>(x) : x * simd::normal(x).below;
  }
  template <bool kBf16>
  static Vec512 silu(Vec512 x) {
    return kBf16 ? simd::quick_silu<Vec512, Out512>(x) : x * simd::sigmoid(x);
  }
  /// Rounded to bfloat16 in the upper halves.
  static __m512i round_bits(Vec512 value) {
    const __m512i bits = _mm512_castps_si512(value.v);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i up = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
    const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x00400000));
    const __mmask16 nan = _mm512_cmp_ps_mask(value.v, value.v, _CMP_UNORD_Q);
    return _mm512_mask_mov_epi32(_mm512_add_epi32(bits, up), nan, quiet);
  }
  static __m256i halves(Vec512 value) {
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(round_bits(value), 16));
  }
  static void store_bf16(std::uint16_t* to, Vec512 value, simd::AllLanes) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), halves(value));
  }
  static void store_bf16_pair(std::uint16_t* to, Vec512 first, Vec512 second) {
    store_bf16(to, first, simd::AllLanes{});
    store_bf16(to + 16, second, simd::AllLanes{});
  }
  static void store_bf16(std::uint16_t* to, Vec512 value, std::int64_t n) {
    _mm256_mask_storeu_epi16(to, Vec512::first(n).m, halves(value));
  }
};

}  // namespace
}  // namespace conopa::kernels::detail
