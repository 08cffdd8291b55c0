#include <immintrin.h>

#include "kernels/peak_loops.h"

namespace conopa::kernels::avx512 {

void spin_fma(std::int64_t rounds) {
  __m512 sums[kFmaChains];
  for (auto& sum : sums) sum = _mm512_set1_ps(1.0F);
  const __m512 factor = _mm512_set1_ps(0.999F);
  for (std::int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 24
    for (auto& sum : sums) {
      sum = _mm512_fmadd_ps(sum, factor, factor);
      asm volatile("" : "+v"(sum));
    }
  }
}

void spin_bytes(std::int64_t rounds) {
  __m512i sums[kByteChains];
  for (auto& sum : sums) sum = _mm512_set1_epi32(1);
  const __m512i ones = _mm512_set1_epi16(1);
  __m512i bytes = _mm512_set1_epi8(3);
  for (std::int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
    for (auto& sum : sums) {
      asm volatile("" : "+v"(bytes));  // or the product would be taken out of the loop
      const __m512i pairs = _mm512_maddubs_epi16(bytes, bytes);
      __m512i next = _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, ones));
      asm volatile("" : "+v"(next));
      sum = next;
    }
  }
}

}  // namespace conopa::kernels::avx512
