// Float32 matrix product with AVX-512.
//
// Algorithm: register tiles of 14 x 32 over k blocks of at most 384 (matmul_tile.h, driver in
// matmul_driver.cpp). 28 sums, two panel vectors and one broadcast use 31 of 32 registers; 16
// loads feed 28 multiply-adds. With k = 384 a panel (48 KiB) just fills the first-level cache, yet
// fewer passes over c won against 192 and 256.
//
// Measured 2026-11-22, AMD EPYC Zen 5, one thread, fraction of the peak of 232 GFLOP/s of the same
// run: forward and input gradient 86..93 % (M = 6400, N and K 64..768), weight gradient 72..86 %
// (bound by reading dy and x); 0.97..1.2 x OpenBLAS 0.3.21 with its AVX-512 kernels, 1.7..2.4 x
// with OPENBLAS_CORETYPE=Haswell. README.md of this folder tells how to repeat it.
//
// kBf16 serves machines without AVX-512 BF16: operands rounded while packing, float32 arithmetic.

#include "kernels/matmul_avx512_lanes.h"
#include "kernels/matmul_pack.h"
#include "kernels/matmul_tile.h"

namespace conopa::kernels::detail::avx512 {
namespace {

struct F32 : Avx512Lanes {
  using Operand = __m512;

  static Operand load(const Word* from) { return _mm512_loadu_ps(from); }
  static Operand broadcast(const Word* from) { return _mm512_set1_ps(*from); }
  static Sum fma(Operand left, Operand right, Sum sum) { return _mm512_fmadd_ps(left, right, sum); }
  static Sum round_to_bf16(Sum value) {
    const __m512i bits = _mm512_castps_si512(value);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i up = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
    const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x00400000));
    const __mmask16 nan = _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q);
    const __m512i rounded = _mm512_mask_mov_epi32(_mm512_add_epi32(bits, up), nan, quiet);
    return _mm512_castsi512_ps(
        _mm512_and_si512(rounded, _mm512_set1_epi32(static_cast<int>(0xffff0000U))));
  }
};

}  // namespace

const MatmulFunctions kF32 = {panel<F32>, pack_a_floats<F32, Keep<F32>>,
                              pack_b_floats<F32, Keep<F32>>};
const MatmulFunctions kBf16 = {panel<F32>, pack_a_floats<F32, RoundToBf16<F32>>,
                               pack_b_floats<F32, RoundToBf16<F32>>};

}  // namespace conopa::kernels::detail::avx512
