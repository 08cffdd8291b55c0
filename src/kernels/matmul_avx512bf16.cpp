// Matrix product of operands rounded to bfloat16 with AVX-512 BF16 (vdpbf16ps).
//
// Algorithm: the tiles of matmul_avx512.cpp, each word holding two neighbours in k, so that one
// instruction adds two products per lane. Both operands are rounded while they are packed (rows of
// a keep their order, one vcvtne2ps2bf16 per 32 values). k blocks of 512: a panel takes 32 KiB.
//
// Measured 2026-11-22, AMD EPYC Zen 5, one thread, peak 467 GFLOP/s in the same run: forward and
// input gradient 74..83 % (M = 6400, K = 64: 70 %, where rounding a is a seventh of the work),
// 1.6..1.95 x the float32 kernel; weight gradient 1.3..1.8 x, bound by memory.

#include "kernels/matmul_avx512bf16_lanes.h"
#include "kernels/matmul_tile.h"

namespace conopa::kernels::detail::avx512bf16 {
namespace {

using Bf16 = Bf16Lanes;

// Words of two k: the lower half is the first, as vdpbf16ps pairs them.
__m512i pair(__m512 first, __m512 second) {
  alignas(64) static constexpr std::uint16_t kInterleave[32] = {
      0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
      8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  const auto both = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(second, first));
  return _mm512_permutexvar_epi16(_mm512_load_si512(kInterleave), both);
}

// Sixteen words from `left` floats or more; zero where fewer are left.
__m512 round_words(const float* src, std::int64_t left) {
  const __m512 low = Bf16::load_masked(src, Bf16::mask(left));
  const __m512 high = left > 16 ? Bf16::load_masked(src + 16, Bf16::mask(left - 16)) : Bf16::zero();
  return reinterpret_cast<__m512>(_mm512_cvtne2ps_pbh(high, low));
}

// Rounds `k` contiguous floats to `words` words, zero beyond k.
void round_line(const float* src, std::int64_t k, std::int64_t words, Word* dst) {
  std::int64_t p = 0;
  for (; 2 * p + 32 <= k; p += 16) {
    const __m512bh both =
        _mm512_cvtne2ps_pbh(_mm512_loadu_ps(src + 2 * p + 16), _mm512_loadu_ps(src + 2 * p));
    Bf16::store(dst + p, reinterpret_cast<__m512>(both));
  }
  for (; p < words; p += 16) {
    Bf16::store_masked(dst + p, Bf16::mask(words - p), round_words(src + 2 * p, k - 2 * p));
  }
}

// Word p of `count` <= 16 lines side by side in k-major storage: two loads of neighbours.
__m512i load_pair(const PackTask& task, std::int64_t p, const float* src, __mmask16 lanes) {
  const __m512 first = _mm512_maskz_loadu_ps(lanes, src + 2 * p * task.ld);
  const __m512 second = 2 * p + 1 < task.k
                            ? _mm512_maskz_loadu_ps(lanes, src + (2 * p + 1) * task.ld)
                            : _mm512_setzero_ps();
  return pair(first, second);
}

// A matrix row is often a cache miss, so it is asked for ahead of its use.
constexpr std::int64_t kPrefetchPairs = 3;

void prefetch_pair(const PackTask& task, std::int64_t p) {
  if (2 * p + 1 >= task.k) return;
  for (std::int64_t i = 0; i < task.count; i += 16) {
    __builtin_prefetch(task.src + 2 * p * task.ld + i);
    __builtin_prefetch(task.src + (2 * p + 1) * task.ld + i);
  }
}

void pack_a(const PackTask& task) noexcept {
  if (task.k_contiguous) {
    for (std::int64_t i = 0; i < task.count; ++i) {
      round_line(task.src + i * task.ld, task.k, task.words, task.dst + i * task.stride);
    }
    return;
  }
  for (std::int64_t p = 0; p < task.words; ++p) {
    prefetch_pair(task, p + kPrefetchPairs);
    Word* dst = task.dst + p * Bf16::kTilePitch;
    for (std::int64_t i = 0; i < task.count; i += Bf16::kTileRows, dst += task.stride) {
      _mm512_storeu_si512(dst, load_pair(task, p, task.src + i, Bf16::mask(task.count - i)));
    }
  }
}

void pack_b_transposed(const PackTask& task) noexcept {
  for (std::int64_t p = 0; p < task.words; p += 16) {
    const std::int64_t words = task.words - p < 16 ? task.words - p : 16;
    for (std::int64_t j0 = 0; j0 < Bf16::kPanel; j0 += 16) {
      __m512 lines[16];
      for (std::int64_t j = 0; j < 16; ++j) {
        lines[j] = j0 + j < task.count
                       ? round_words(task.src + (j0 + j) * task.ld + 2 * p, task.k - 2 * p)
                       : Bf16::zero();
      }
      Bf16::transpose(lines);
      Word* dst = task.dst + p * Bf16::kPanel + j0;
      for (std::int64_t i = 0; i < words; ++i) Bf16::store(dst + i * Bf16::kPanel, lines[i]);
    }
  }
}

void pack_b(const PackTask& task) noexcept {
  if (task.k_contiguous) {
    pack_b_transposed(task);
    return;
  }
  const __mmask16 lanes[2] = {Bf16::mask(task.count), Bf16::mask(task.count - 16)};
  for (std::int64_t p = 0; p < task.words; ++p) {
    prefetch_pair(task, p + kPrefetchPairs);
    for (int v = 0; v < 2; ++v) {
      const __m512i words = load_pair(task, p, task.src + v * Bf16::kWidth, lanes[v]);
      _mm512_storeu_si512(task.dst + p * Bf16::kPanel + v * Bf16::kWidth, words);
    }
  }
}

}  // namespace

const MatmulFunctions kBf16 = {panel<Bf16>, pack_a, pack_b};

}  // namespace conopa::kernels::detail::avx512bf16
