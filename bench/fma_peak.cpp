#include "bench/fma_peak.h"

#include <immintrin.h>

#include <algorithm>
#include <chrono>

#include "conopa/core/parallel.h"

namespace conopa::bench {
namespace {

using kernels::ActType;
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

__attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni"))) void spin_vnni() {
  __m512i sums[kChains];
#pragma GCC unroll 24
  for (auto& sum : sums) sum = _mm512_set1_epi32(1);
  const __m512i factor = _mm512_set1_epi8(3);
  for (int round = 0; round < kRounds; ++round) {
#pragma GCC unroll 24
    for (auto& sum : sums) {
      sum = _mm512_dpbusd_epi32(sum, factor, factor);
      asm volatile("" : "+v"(sum));
    }
  }
}

__attribute__((target("avx512f,avx512bw"))) void spin_madd512() {
  __m512i sums[kChains];
#pragma GCC unroll 24
  for (auto& sum : sums) sum = _mm512_set1_epi32(1);
  __m512i factor = _mm512_set1_epi16(3);
  for (int round = 0; round < kRounds; ++round) {
#pragma GCC unroll 24
    for (auto& sum : sums) {
      asm volatile("" : "+v"(factor));
      sum = _mm512_add_epi32(sum, _mm512_madd_epi16(factor, factor));
      asm volatile("" : "+v"(sum));
    }
  }
}

__attribute__((target("avx2"))) void spin_madd256() {
  __m256i sums[kChains / 2];
#pragma GCC unroll 12
  for (auto& sum : sums) sum = _mm256_set1_epi32(1);
  __m256i factor = _mm256_set1_epi16(3);
  for (int round = 0; round < kRounds; ++round) {
#pragma GCC unroll 12
    for (auto& sum : sums) {
      asm volatile("" : "+x"(factor));
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(factor, factor));
      asm volatile("" : "+x"(sum));
    }
  }
}

constexpr int kTileRounds = 100'000;

struct alignas(64) TileConfig {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// Four independent sums cover the latency of a tile product.
__attribute__((target("amx-tile,amx-bf16"))) void spin_amx_bf16() {
  const TileConfig config;
  _tile_loadconfig(&config);
  for (int round = 0; round < kTileRounds; ++round) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_release();
}

__attribute__((target("amx-tile,amx-int8"))) void spin_amx_i8() {
  const TileConfig config;
  _tile_loadconfig(&config);
  for (int round = 0; round < kTileRounds; ++round) {
    _tile_dpbssd(0, 4, 6);
    _tile_dpbssd(1, 4, 7);
    _tile_dpbssd(2, 5, 6);
    _tile_dpbssd(3, 5, 7);
  }
  _tile_release();
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

Loop int8_loop(Isa isa) {
  if (isa >= Isa::kAmx) return {spin_amx_i8, 2.0 * 16 * 16 * 64 * 4 * kTileRounds};
  if (isa >= Isa::kAvx512Bf16) return {spin_vnni, 128.0 * kChains * kRounds};
  if (isa >= Isa::kAvx512) return {spin_madd512, 64.0 * kChains * kRounds};
  return {spin_madd256, 32.0 * (kChains / 2) * kRounds};
}

double best_gflops(const Loop& loop) {
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

}  // namespace

double fma_peak_gflops(Isa isa, Compute compute) {
  return isa == Isa::kReference ? 0.0 : best_gflops(loop_for(isa, compute));
}

double act_peak_gflops(Isa isa, ActType type) {
  if (isa == Isa::kReference) return 0.0;
  if (type == ActType::kI8) return best_gflops(int8_loop(isa));
  if (type == ActType::kBf16 && isa >= Isa::kAmx) {
    return best_gflops({spin_amx_bf16, 2.0 * 16 * 16 * 32 * 4 * kTileRounds});
  }
  return best_gflops(loop_for(isa, type == ActType::kBf16 ? Compute::kBf16 : Compute::kF32));
}

}  // namespace conopa::bench
