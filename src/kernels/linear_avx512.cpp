// Inference matrix products with AVX-512: float32, and bf16 and int8 on processors without the
// extensions for them.
//
// Tiles of 14 x 32 as in matmul_avx512.cpp; scheme in linear_driver.cpp. bf16 activations are
// widened to float32 once a row block, int8 ones to int16 (vpmaddwd: the byte form saturates).

#include "kernels/linear_avx512_lanes.h"
#include "kernels/linear_blocks.h"
#include "kernels/linear_epilogue.h"
#include "kernels/linear_tile.h"
#include "kernels/matmul_avx512_lanes.h"

namespace conopa::kernels::detail::avx512 {
namespace {

struct F32 : Avx512Lanes {
  using Operand = __m512;
  static Operand load(const Word* from) { return _mm512_loadu_ps(from); }
  static Operand broadcast(const Word* from) { return _mm512_set1_ps(*from); }
  static Sum fma(Operand left, Operand right, Sum sum) { return _mm512_fmadd_ps(left, right, sum); }
};

/// Pairs of int16: two products a lane, exact.
struct I16 : Int512Lanes {
  static Sum fma(Operand left, Operand right, Sum sum) {
    return _mm512_add_epi32(sum, _mm512_madd_epi16(left, right));
  }
};

struct RoundBf16 {
  static Vec512 apply(Vec512 value) {
    const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xffff0000U));
    return {_mm512_castsi512_ps(_mm512_and_si512(Out512::round_bits(value), upper))};
  }
};

void widen_bf16(const RowsTask& task) noexcept {
  for (std::int64_t i = 0; i < task.rows; ++i) {
    const std::byte* from = task.src + i * task.stride;
    Word* to = task.dst + i * task.dst_stride;
    for (std::int64_t w = 0; w < task.words; w += 16) {
      const __m512i bits = _mm512_cvtepu16_epi32(load256(from + 2 * w));
      _mm512_storeu_si512(to + w, _mm512_slli_epi32(bits, 16));
    }
  }
}

void widen_int8(const RowsTask& task) noexcept {
  for (std::int64_t i = 0; i < task.rows; ++i) {
    const std::byte* from = task.src + i * task.stride;
    Word* to = task.dst + i * task.dst_stride;
    for (std::int64_t w = 0; w < task.words; w += 16) {
      _mm512_storeu_si512(to + w, _mm512_cvtepi8_epi16(load256(from + 2 * w)));
    }
  }
}

}  // namespace

const LinearFunctions kLinearF32 = {even_panel<F32>, nullptr, nullptr,
                                    expand_float_blocks<Vec512, Loads512, KeepFloat>,
                                    epilogue<Vec512, Out512, false>};
const LinearFunctions kLinearBf16 = {even_panel<F32>, widen_bf16, nullptr,
                                     expand_float_blocks<Vec512, Loads512, RoundBf16>,
                                     epilogue<Vec512, Out512, false>};
const LinearFunctions kLinearI8 = {even_panel<I16>, widen_int8, nullptr, nullptr,
                                   epilogue<Vec512, Out512, true>};

}  // namespace conopa::kernels::detail::avx512
