#include <immintrin.h>

#include "kernels/peak_loops.h"

namespace conopa::kernels::avx512bf16 {

void spin_bf16(std::int64_t rounds) {
  __m512 sums[kChains];
  for (auto& sum : sums) sum = _mm512_set1_ps(1.0F);
  const __m512bh factor = reinterpret_cast<__m512bh>(_mm512_set1_epi32(0x3c003c00));
  for (std::int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 24
    for (auto& sum : sums) {
      sum = _mm512_dpbf16_ps(sum, factor, factor);
      asm volatile("" : "+v"(sum));
    }
  }
}

void spin_i8(std::int64_t rounds) {
  __m512i sums[kChains];
  for (auto& sum : sums) sum = _mm512_set1_epi32(1);
  const __m512i bytes = _mm512_set1_epi8(3);
  for (std::int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 24
    for (auto& sum : sums) {
      __m512i next = _mm512_dpbusd_epi32(sum, bytes, bytes);
      asm volatile("" : "+v"(next));
      sum = next;
    }
  }
}

}  // namespace conopa::kernels::avx512bf16
