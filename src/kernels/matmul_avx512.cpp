// Float32 matrix product with AVX-512.

#include <immintrin.h>

#include "kernels/matmul_pack.h"
#include "kernels/matmul_tile.h"

namespace conopa::kernels::detail::avx512 {
namespace {

struct F32 {
  using Sum = __m512;
  using Operand = __m512;
  static constexpr int kWidth = 16;
  static constexpr int kPanel = 32;
  static constexpr int kTileRows = 14;

  static Sum zero() { return _mm512_setzero_ps(); }
  static Operand load(const Word* from) { return _mm512_loadu_ps(from); }
  static Operand broadcast(const Word* from) { return _mm512_set1_ps(*from); }
  static Sum fma(Operand left, Operand right, Sum sum) { return _mm512_fmadd_ps(left, right, sum); }
  static Sum add(Sum left, Sum right) { return _mm512_add_ps(left, right); }
  static __mmask16 mask(std::int64_t count) {
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
};

}  // namespace

const MatmulFunctions kF32 = {panel<F32>, pack_a_floats<KeepFloat, F32::kTileRows>,
                              pack_b_floats<KeepFloat, F32::kPanel>};
const MatmulFunctions kBf16 = {panel<F32>, pack_a_floats<RoundToBf16, F32::kTileRows>,
                               pack_b_floats<RoundToBf16, F32::kPanel>};

}  // namespace conopa::kernels::detail::avx512
