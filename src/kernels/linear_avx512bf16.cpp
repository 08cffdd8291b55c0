// Inference matrix products with AVX-512 BF16 (vdpbf16ps) and VNNI (vpdpbusd).
//
// Tiles of 14 x 32 as in matmul_avx512.cpp; scheme in linear_driver.cpp. Rows of bf16 activations
// are rows of words and read in place.

#include "kernels/linear_avx512_lanes.h"
#include "kernels/linear_epilogue.h"
#include "kernels/linear_tile.h"
#include "kernels/matmul_avx512bf16_lanes.h"

namespace conopa::kernels::detail::avx512bf16 {
namespace {

using Bf16 = Bf16Lanes;

/// vpdpbusd wants one unsigned operand. That is the weight, to which packing adds 128: unlike the
/// activations it costs nothing there, and what it adds, 128 times the sum of a row of
/// activations, comes off in the epilogue. Sums may wrap on the way; the result is exact.
struct I8 : Int512Lanes {
  static Sum fma(Operand left, Operand right, Sum sum) {
    return _mm512_dpbusd_epi32(sum, right, left);
  }
};

void sum_int8(const RowsTask& task) noexcept {
  const __m512i ones = _mm512_set1_epi8(1);
  for (std::int64_t i = 0; i < task.rows; ++i) {
    const std::byte* from = task.src + i * task.stride;
    __m512i sum = _mm512_setzero_si512();
    for (std::int64_t w = 0; w < task.words; w += 16) {
      sum = _mm512_dpbusd_epi32(sum, ones, _mm512_loadu_si512(from + 4 * w));
    }
    task.sums[i] = _mm512_reduce_add_epi32(sum);
  }
}

/// vcvtneps2bf16 rounds to nearest even (subnormals to zero).
struct OutBf16 : Out512 {
  static void store_bf16(std::uint16_t* to, Vec512 value, simd::AllLanes) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to),
                        reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(value.v)));
  }
  static void store_bf16_pair(std::uint16_t* to, Vec512 first, Vec512 second) {
    _mm512_storeu_si512(to, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(second.v, first.v)));
  }
  static void store_bf16(std::uint16_t* to, Vec512 value, std::int64_t n) {
    _mm256_mask_storeu_epi16(to, Vec512::first(n).m,
                             reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(value.v)));
  }
};

// Sixteen words of neighbours in k: the lower half is the first.
void store_pairs(Word* to, Vec512 first, Vec512 second) {
  alignas(64) static constexpr std::uint16_t kInterleave[32] = {
      0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
      8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  const auto both = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(second.v, first.v));
  _mm512_storeu_si512(to, _mm512_permutexvar_epi16(_mm512_load_si512(kInterleave), both));
}

}  // namespace

void expand_blocks(const BlocksTask& task) noexcept {
  const std::byte* src = task.src;
  Word* dst = task.dst;
  for (std::int64_t b = 0; b < task.blocks; ++b) {
    const Vec512 scale[2] = {Loads512::half(src), Loads512::half(src + 32)};
    src += 64;
    for (std::int64_t w = 0; w < 16; ++w, src += task.four_bit ? 32 : 64, dst += 32) {
      for (int v = 0; v < 2; ++v) {
        const std::byte* from = src + 16 * v;
        const Vec512 first = task.four_bit ? Loads512::low_nibble(from) : Loads512::int8(from);
        const Vec512 second =
            task.four_bit ? Loads512::high_nibble(from) : Loads512::int8(from + 32);
        store_pairs(dst + 16 * v, scale[v] * first, scale[v] * second);
      }
    }
  }
}

void epilogue_of_floats(const EpilogueTask& task) noexcept {
  epilogue<Vec512, OutBf16, false>(task);
}

void epilogue_of_integers(const EpilogueTask& task) noexcept {
  epilogue<Vec512, OutBf16, true>(task);
}

const LinearFunctions kLinearBf16 = {even_panel<Bf16>, nullptr, nullptr, expand_blocks,
                                     epilogue_of_floats};
const LinearFunctions kLinearI8 = {even_panel<I8>, nullptr, sum_int8, nullptr,
                                   epilogue_of_integers};

}  // namespace conopa::kernels::detail::avx512bf16
