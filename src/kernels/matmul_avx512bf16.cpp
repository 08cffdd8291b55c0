// Matrix product of operands rounded to bfloat16 with AVX-512 BF16 (vdpbf16ps).

#include <immintrin.h>

#include "kernels/matmul_tile.h"

namespace conopa::kernels::detail::avx512bf16 {
namespace {

struct Bf16 {
  using Sum = __m512;
  using Operand = __m512bh;
  static constexpr int kWidth = 16;
  static constexpr int kPanel = 32;
  static constexpr int kTileRows = 14;

  static Sum zero() { return _mm512_setzero_ps(); }
  static Operand load(const Word* from) {
    return reinterpret_cast<__m512bh>(_mm512_loadu_ps(from));
  }
  static Operand broadcast(const Word* from) {
    return reinterpret_cast<__m512bh>(_mm512_set1_ps(*from));
  }
  static Sum fma(Operand left, Operand right, Sum sum) {
    return _mm512_dpbf16_ps(sum, left, right);
  }
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

__mmask16 first_lanes(std::int64_t count) {
  return static_cast<__mmask16>(count >= 16 ? 0xffffU : (1U << count) - 1U);
}

__m256i round_to_bf16(__m512 value) { return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(value)); }

// Words of two k: the lower half is the first, as vdpbf16ps pairs them.
__m512i pair(__m512 first, __m512 second) {
  const __m512i low = _mm512_cvtepu16_epi32(round_to_bf16(first));
  const __m512i high = _mm512_cvtepu16_epi32(round_to_bf16(second));
  return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

// Rounds `k` contiguous floats to `words` words, zero beyond k.
void round_line(const float* src, std::int64_t k, std::int64_t words, Word* dst) {
  std::int64_t p = 0;
  for (; 2 * p + 32 <= k; p += 16) {
    const __m512bh both =
        _mm512_cvtne2ps_pbh(_mm512_loadu_ps(src + 2 * p + 16), _mm512_loadu_ps(src + 2 * p));
    _mm512_storeu_si512(dst + p, reinterpret_cast<__m512i>(both));
  }
  for (; p < words; p += 8) {  // the last store is masked to the words that exist
    const std::int64_t left = k - 2 * p;
    const __m512 value =
        left > 0 ? _mm512_maskz_loadu_ps(first_lanes(left), src + 2 * p) : _mm512_setzero_ps();
    const __mmask8 kept = static_cast<__mmask8>(first_lanes(words - p) & 0xffU);
    _mm256_mask_storeu_epi32(dst + p, kept, round_to_bf16(value));
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

void pack_a(const PackTask& task) noexcept {
  if (task.k_contiguous) {
    for (std::int64_t i = 0; i < task.count; ++i) {
      round_line(task.src + i * task.ld, task.k, task.words, task.dst + i * task.stride);
    }
    return;
  }
  for (std::int64_t p = 0; p < task.words; ++p) {
    Word* dst = task.dst + p * Bf16::kTileRows;
    for (std::int64_t i = 0; i < task.count; i += Bf16::kTileRows, dst += task.stride) {
      const std::int64_t rows = task.count - i < Bf16::kTileRows ? task.count - i : Bf16::kTileRows;
      const __mmask16 lanes = first_lanes(rows);
      _mm512_mask_storeu_epi32(dst, lanes, load_pair(task, p, task.src + i, lanes));
    }
  }
}

void pack_b_transposed(const PackTask& task) noexcept {
  Word line[16];
  for (std::int64_t i = 0; i < Bf16::kPanel; ++i) {
    const bool exists = i < task.count;
    const float* src = exists ? task.src + i * task.ld : task.src;
    for (std::int64_t p0 = 0; p0 < task.words; p0 += 16) {
      const std::int64_t words = task.words - p0 < 16 ? task.words - p0 : 16;
      const std::int64_t left = task.k - 2 * p0;
      round_line(src + 2 * p0, exists ? (left < 32 ? left : 32) : 0, words, line);
      for (std::int64_t p = 0; p < words; ++p) task.dst[(p0 + p) * Bf16::kPanel + i] = line[p];
    }
  }
}

void pack_b(const PackTask& task) noexcept {
  if (task.k_contiguous) {
    pack_b_transposed(task);
    return;
  }
  const __mmask16 lanes[2] = {first_lanes(task.count),
                              first_lanes(task.count > 16 ? task.count - 16 : 0)};
  for (std::int64_t p = 0; p < task.words; ++p) {
    for (int v = 0; v < 2; ++v) {
      const __m512i words = load_pair(task, p, task.src + v * Bf16::kWidth, lanes[v]);
      _mm512_storeu_si512(task.dst + p * Bf16::kPanel + v * Bf16::kWidth, words);
    }
  }
}

}  // namespace

const MatmulFunctions kBf16 = {panel<Bf16>, pack_a, pack_b};

}  // namespace conopa::kernels::detail::avx512bf16
