#include "bench/fma_peak.h"

#include <immintrin.h>

#include <algorithm>
#include <chrono>

#include "conopa/core/parallel.h"

namespace conopa::bench {
namespace {

using kernels::Compute;
using kernels::Isa;

constexpr int kRounds = 400'000;
constexpr int kChains = 24;  // more than latency times ports; 12 on AVX2's sixteen registers

// The empty assembly keeps the compiler from folding the chains.
__attribute__((target("avx512f"))) void spin_avx512() {
  __m512 sums[kChains];
  for (auto& sum : sums) sum = _mm512_set1_ps(1.0F);
  const __m512 factor = _mm512_set1_ps(0.999F);
  for (int round = 0; round < kRounds; ++round) {
#pragma GCC unroll 24
    for (auto& sum : sums) {
      sum = _mm512_fmadd_ps(sum, factor, factor);
      asm volatile("" : "+v"(sum));
    }
  }
}

__attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16"))) void spin_bf16() {
  __m512 sums[kChains];
  for (auto& sum : sums) sum = _mm512_set1_ps(1.0F);
  const __m512bh factor = reinterpret_cast<__m512bh>(_mm512_set1_epi32(0x3c003c00));
  for (int round = 0; round < kRounds; ++round) {
#pragma GCC unroll 24
    for (auto& sum : sums) {
      sum = _mm512_dpbf16_ps(sum, factor, factor);
      asm volatile("" : "+v"(sum));
    }
  }
}

__attribute__((target("avx2,fma"))) void spin_avx2() {
  __m256 sums[kChains / 2];
  for (auto& sum : sums) sum = _mm256_set1_ps(1.0F);
  const __m256 factor = _mm256_set1_ps(0.999F);
  for (int round = 0; round < kRounds; ++round) {
#pragma GCC unroll 12
    for (auto& sum : sums) {
      sum = _mm256_fmadd_ps(sum, factor, factor);
      asm volatile("" : "+x"(sum));
    }
  }
}

struct Loop {
  void (*spin)();
  double flops;  // of one call
};

Loop loop_for(Isa isa, Compute compute) {
  if (isa >= Isa::kAvx512Bf16 && compute == Compute::kBf16) {
    return {spin_bf16, 64.0 * kChains * kRounds};
  }
  if (isa >= Isa::kAvx512) return {spin_avx512, 32.0 * kChains * kRounds};
  return {spin_avx2, 16.0 * (kChains / 2) * kRounds};
}

}  // namespace

double fma_peak_gflops(Isa isa, Compute compute) {
  if (isa == Isa::kReference) return 0;
  const Loop loop = loop_for(isa, compute);
  const int threads = num_threads();
  double best = 0;
  for (int i = 0; i < 10; ++i) {
    const auto start = std::chrono::steady_clock::now();
    parallel_for(0, threads, 1, [&](std::int64_t begin, std::int64_t end) {
      for (; begin < end; ++begin) loop.spin();
    });
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    best = std::max(best, 1e-9 * loop.flops * threads / time.count());
  }
  return best;
}

}  // namespace conopa::bench
