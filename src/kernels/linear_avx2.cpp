// Inference matrix products with AVX2 and FMA: float32, and bf16 and int8 by wider arithmetic.
//
// Tiles of 6 x 16 as in matmul_avx2.cpp; scheme in linear_driver.cpp. bf16 activations are widened
// to float32 once a row block.

#include "kernels/linear_blocks.h"
#include "kernels/linear_epilogue.h"
#include "kernels/linear_tile.h"
#include "kernels/simd/vec_avx2.h"

namespace conopa::kernels::detail::avx2 {
namespace {

using Vec256 = kernels::avx2::Vec;

inline __m128i load128(const std::byte* from) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}
inline __m128i load64(const std::byte* from) {
  return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from));
}

struct Lanes {
  using Sum = __m256;
  static constexpr int kWidth = 8;
  static constexpr int kPanel = 16;
  static constexpr int kTileRows = 6;
  static constexpr int kTilePitch = 8;

  static Sum zero() { return _mm256_setzero_ps(); }
  static Sum add(Sum left, Sum right) { return _mm256_add_ps(left, right); }
  static std::int64_t mask(std::int64_t count) { return count; }
  static Sum load_sum(const float* from) { return _mm256_loadu_ps(from); }
  static Sum load_masked(const float* from, std::int64_t n) { return Vec256::load(from, n).v; }
  static void store(float* to, Sum value) { _mm256_storeu_ps(to, value); }
  static void store_masked(float* to, std::int64_t n, Sum value) { Vec256{value}.store(to, n); }
};

struct F32 : Lanes {
  using Operand = __m256;
  static Operand load(const Word* from) { return _mm256_loadu_ps(from); }
  static Operand broadcast(const Word* from) { return _mm256_set1_ps(*from); }
  static Sum fma(Operand left, Operand right, Sum sum) { return _mm256_fmadd_ps(left, right, sum); }
};

/// Pairs of int16: two products a lane, exact.
struct I16 {
  using Sum = __m256i;
  using Operand = __m256i;
  static constexpr int kWidth = 8;
  static constexpr int kPanel = 16;
  static constexpr int kTileRows = 6;
  static constexpr int kTilePitch = 8;

  static Sum zero() { return _mm256_setzero_si256(); }
  static Sum add(Sum left, Sum right) { return _mm256_add_epi32(left, right); }
  static __m256i mask(std::int64_t count) { return _mm256_castps_si256(Vec256::first(count).m); }
  static Sum load_sum(const float* from) { return load(from); }
  static Sum load_masked(const float* from, __m256i mask) {
    return _mm256_castps_si256(_mm256_maskload_ps(from, mask));
  }
  static void store(float* to, Sum value) { _mm256_storeu_ps(to, _mm256_castsi256_ps(value)); }
  static void store_masked(float* to, __m256i mask, Sum value) {
    _mm256_maskstore_ps(to, mask, _mm256_castsi256_ps(value));
  }
  static Operand load(const Word* from) { return _mm256_castps_si256(_mm256_loadu_ps(from)); }
  static Operand broadcast(const Word* from) { return _mm256_castps_si256(_mm256_set1_ps(*from)); }
  static Sum fma(Operand left, Operand right, Sum sum) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(left, right));
  }
};

struct Loads {
  static Vec256 half(const std::byte* from) { return {_mm256_cvtph_ps(load128(from))}; }
  static Vec256 int8(const std::byte* from) {
    return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(load64(from)))};
  }
  static Vec256 low_nibble(const std::byte* from) {
    const __m256i both = _mm256_cvtepu8_epi32(load64(from));
    return nibble(_mm256_and_si256(both, _mm256_set1_epi32(15)));
  }
  static Vec256 high_nibble(const std::byte* from) {
    return nibble(_mm256_srli_epi32(_mm256_cvtepu8_epi32(load64(from)), 4));
  }

 private:
  static Vec256 nibble(__m256i value) {
    return {_mm256_cvtepi32_ps(_mm256_sub_epi32(value, _mm256_set1_epi32(8)))};
  }
};

struct Out {
  static Vec256 from_int(const float* from, std::int32_t /*offset*/) {
    return {_mm256_cvtepi32_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)))};
  }
  template <bool kBf16>
  static Vec256 gelu(Vec256 x) {
    return x * simd::normal(x).below;
  }
  template <bool kBf16>
  static Vec256 silu(Vec256 x) {
    return x * simd::sigmoid(x);
  }
  /// Rounded to bfloat16 in the upper halves.
  static __m256i round_bits(Vec256 value) {
    const __m256i bits = _mm256_castps_si256(value.v);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i up = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
    const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x00400000));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(value.v, value.v, _CMP_UNORD_Q));
    return _mm256_blendv_epi8(_mm256_add_epi32(bits, up), quiet, nan);
  }
  static __m128i halves(Vec256 value) {
    const __m256i upper = _mm256_srli_epi32(round_bits(value), 16);
    const __m256i packed = _mm256_packus_epi32(upper, upper);
    return _mm256_castsi256_si128(_mm256_permute4x64_epi64(packed, 0x08));
  }
  static void store_bf16(std::uint16_t* to, Vec256 value, simd::AllLanes) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), halves(value));
  }
  static void store_bf16_pair(std::uint16_t* to, Vec256 first, Vec256 second) {
    store_bf16(to, first, simd::AllLanes{});
    store_bf16(to + 8, second, simd::AllLanes{});
  }
  static void store_bf16(std::uint16_t* to, Vec256 value, std::int64_t n) {
    std::uint16_t all[8];
    store_bf16(all, value, simd::AllLanes{});
    for (std::int64_t i = 0; i < n && i < 8; ++i) to[i] = all[i];
  }
};

struct RoundBf16 {
  static Vec256 apply(Vec256 value) {
    const __m256i upper = _mm256_set1_epi32(static_cast<int>(0xffff0000U));
    return {_mm256_castsi256_ps(_mm256_and_si256(Out::round_bits(value), upper))};
  }
};

void widen_bf16(const RowsTask& task) noexcept {
  for (std::int64_t i = 0; i < task.rows; ++i) {
    const std::byte* from = task.src + i * task.stride;
    Word* to = task.dst + i * task.dst_stride;
    for (std::int64_t w = 0; w < task.words; w += 8) {
      const __m256i bits = _mm256_cvtepu16_epi32(load128(from + 2 * w));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + w), _mm256_slli_epi32(bits, 16));
    }
  }
}

void widen_int8(const RowsTask& task) noexcept {
  for (std::int64_t i = 0; i < task.rows; ++i) {
    const std::byte* from = task.src + i * task.stride;
    Word* to = task.dst + i * task.dst_stride;
    for (std::int64_t w = 0; w < task.words; w += 8) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + w),
                          _mm256_cvtepi8_epi16(load128(from + 2 * w)));
    }
  }
}

}  // namespace

const LinearFunctions kLinearF32 = {even_panel<F32>, nullptr, nullptr,
                                    expand_float_blocks<Vec256, Loads, KeepFloat>,
                                    epilogue<Vec256, Out, false>};
const LinearFunctions kLinearBf16 = {even_panel<F32>, widen_bf16, nullptr,
                                     expand_float_blocks<Vec256, Loads, RoundBf16>,
                                     epilogue<Vec256, Out, false>};
const LinearFunctions kLinearI8 = {even_panel<I16>, widen_int8, nullptr, nullptr,
                                   epilogue<Vec256, Out, true>};

}  // namespace conopa::kernels::detail::avx2
