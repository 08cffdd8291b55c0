// Float32 matrix product with AVX2 and FMA.

#include <immintrin.h>

#include "kernels/matmul_pack.h"
#include "kernels/matmul_tile.h"

namespace conopa::kernels::detail::avx2 {
namespace {

struct F32 {
  using Sum = __m256;
  using Operand = __m256;
  static constexpr int kWidth = 8;
  static constexpr int kPanel = 16;
  static constexpr int kTileRows = 6;

  static Sum zero() { return _mm256_setzero_ps(); }
  static Operand load(const Word* from) { return _mm256_loadu_ps(from); }
  static Operand broadcast(const Word* from) { return _mm256_set1_ps(*from); }
  static Sum fma(Operand left, Operand right, Sum sum) { return _mm256_fmadd_ps(left, right, sum); }
  static Sum add(Sum left, Sum right) { return _mm256_add_ps(left, right); }
  static __m256i mask(std::int64_t count) {
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lanes);
  }
  static Sum load_sum(const float* from) { return _mm256_loadu_ps(from); }
  static Sum load_masked(const float* from, __m256i mask) { return _mm256_maskload_ps(from, mask); }
  static void store(float* to, Sum value) { _mm256_storeu_ps(to, value); }
  static void store_masked(float* to, __m256i mask, Sum value) {
    _mm256_maskstore_ps(to, mask, value);
  }
};

}  // namespace

const MatmulFunctions kF32 = {panel<F32>, pack_a_floats<KeepFloat, F32::kTileRows>,
                              pack_b_floats<KeepFloat, F32::kPanel>};
const MatmulFunctions kBf16 = {panel<F32>, pack_a_floats<RoundToBf16, F32::kTileRows>,
                               pack_b_floats<RoundToBf16, F32::kPanel>};

}  // namespace conopa::kernels::detail::avx2
