#pragma once

// Operations on sixteen floats (or words) that the AVX-512 files of matmul share. In an unnamed
// namespace for the reason given in matmul_tile.h.

#include <immintrin.h>

#include "kernels/matmul_kernel.h"

namespace conopa::kernels::detail {
namespace {

/// The part of the Vec concept of matmul_tile.h and matmul_pack.h that does not multiply.
///
/// A tile of 14 x 32 sums takes 28 of the 32 registers, leaving two for the panel and two for
/// broadcasts: 16 loads feed 28 multiply-adds, well under the two loads per cycle of any core.
struct Avx512Lanes {
  using Sum = __m512;
  static constexpr int kWidth = 16;
  static constexpr int kPanel = 32;
  static constexpr int kTileRows = 14;
  static constexpr int kTilePitch = 16;  // a whole vector: one load and one store pack a step

  static Sum zero() { return _mm512_setzero_ps(); }
  static Sum add(Sum left, Sum right) { return _mm512_add_ps(left, right); }
  static __mmask16 mask(std::int64_t count) {
    if (count <= 0) return 0;
    return static_cast<__mmask16>(count >= kWidth ? 0xffffU : (1U << count) - 1U);
  }
  static Sum load_sum(const float* from) { return _mm512_loadu_ps(from); }
  static Sum load_masked(const float* from, __mmask16 mask) {
    return _mm512_maskz_loadu_ps(mask, from);
  }
  static void store(float* to, Sum value) { _mm512_storeu_ps(to, value); }
  static void store_masked(float* to, __mmask16 mask, Sum value) {
    _mm512_mask_storeu_ps(to, mask, value);
  }

  /// Rows become columns. First inside 128-bit lanes, four rows at a time; then the lanes.
  static void transpose(Sum (&rows)[16]) {
    __m512 quads[16];  // quads[4g + j], lane l: column 4l + j of rows 4g..4g+3
#pragma GCC unroll 4
    for (int g = 0; g < 16; g += 4) {
      const __m512d low01 = _mm512_castps_pd(_mm512_unpacklo_ps(rows[g], rows[g + 1]));
      const __m512d low23 = _mm512_castps_pd(_mm512_unpacklo_ps(rows[g + 2], rows[g + 3]));
      const __m512d high01 = _mm512_castps_pd(_mm512_unpackhi_ps(rows[g], rows[g + 1]));
      const __m512d high23 = _mm512_castps_pd(_mm512_unpackhi_ps(rows[g + 2], rows[g + 3]));
      quads[g] = _mm512_castpd_ps(_mm512_unpacklo_pd(low01, low23));
      quads[g + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low01, low23));
      quads[g + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(high01, high23));
      quads[g + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(high01, high23));
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const __m512 even01 = _mm512_shuffle_f32x4(quads[j], quads[4 + j], 0x88);
      const __m512 odd01 = _mm512_shuffle_f32x4(quads[j], quads[4 + j], 0xdd);
      const __m512 even23 = _mm512_shuffle_f32x4(quads[8 + j], quads[12 + j], 0x88);
      const __m512 odd23 = _mm512_shuffle_f32x4(quads[8 + j], quads[12 + j], 0xdd);
      rows[j] = _mm512_shuffle_f32x4(even01, even23, 0x88);
      rows[4 + j] = _mm512_shuffle_f32x4(odd01, odd23, 0x88);
      rows[8 + j] = _mm512_shuffle_f32x4(even01, even23, 0xdd);
      rows[12 + j] = _mm512_shuffle_f32x4(odd01, odd23, 0xdd);
    }
  }
};

}  // namespace
}  // namespace conopa::kernels::detail
