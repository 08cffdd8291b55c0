#include <immintrin.h>

#include "kernels/peak_loops.h"

namespace conopa::kernels::avx2 {

void spin_fma(std::int64_t rounds) {
  __m256 sums[kFmaChains];
  for (auto& sum : sums) sum = _mm256_set1_ps(1.0F);
  const __m256 factor = _mm256_set1_ps(0.999F);
  for (std::int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
    for (auto& sum : sums) {
      sum = _mm256_fmadd_ps(sum, factor, factor);
      asm volatile("" : "+x"(sum));
    }
  }
}

void spin_bytes(std::int64_t rounds) {
  __m256i sums[kByteChains];
  for (auto& sum : sums) sum = _mm256_set1_epi32(1);
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i bytes = _mm256_set1_epi8(3);
  for (std::int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 8
    for (auto& sum : sums) {
      asm volatile("" : "+x"(bytes));  // or the product would be taken out of the loop
      const __m256i pairs = _mm256_maddubs_epi16(bytes, bytes);
      __m256i next = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, ones));
      asm volatile("" : "+x"(next));
      sum = next;
    }
  }
}

}  // namespace conopa::kernels::avx2
