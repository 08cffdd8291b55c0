#pragma once

#include <cstdint>

#include "kernels/attend_kernel.h"
#include "kernels/simd/act_rows.h"

namespace conopa::kernels::simd {

using detail::FinishTask;
using detail::HeadAhead;
using detail::HeadPack;
using detail::HeadRows;
using detail::SoftmaxTask;
using detail::Word;

// The parts of attend() around its two products. `W` says how elements become words of the products
// of one instruction set:
//
//   V, Lanes        vector of words (as float) and the conversions
//   Element         of q, k, v and out
//   kPerWord        elements of a word
//   kInPlace        words are the elements as they lie
//   load(p, n)      n elements, at most kLanes * kPerWord, as words; zero behind them
//   values(p, n)    the words of n columns of kPerWord keys, whose elements start at p[k]
//   power(x)        2^x for x <= 0, as exact as the element type deserves
//   store(to, a, b) two vectors of weights as words

template <typename W>
inline const typename W::Element* element_row(const HeadRows& rows, std::int64_t i) noexcept {
  return static_cast<const typename W::Element*>(rows.data) + rows.row(i) * rows.stride;
}

template <typename W>
void pack_queries(const HeadPack& pack) noexcept {
  constexpr std::int64_t kStep = W::V::kLanes * W::kPerWord;
  const std::int64_t width = pack.rows.width;
  for (std::int64_t i = 0; i < pack.rows.count; ++i) {
    const auto* const from = element_row<W>(pack.rows, i);
    Word* const to = pack.dst + i * pack.panel;
    std::int64_t d = 0;
    for (; d + kStep <= width; d += kStep)
      W::load(from + d, AllLanes{}).store(to + d / W::kPerWord);
    if (d < width) W::load(from + d, width - d).store(to + d / W::kPerWord);
  }
}

/// The words from element d on of kLanes keys, zero where no keys are left.
template <typename W, typename N>
[[gnu::always_inline]] inline void gather_keys(const HeadPack& pack, std::int64_t key,
                                               std::int64_t d, N n, float* block) noexcept {
  using V = typename W::V;
  for (std::int64_t i = 0; i < V::kLanes; ++i) {
    const V v =
        key + i < pack.rows.count ? W::load(element_row<W>(pack.rows, key + i) + d, n) : V::zero();
    v.store(block + i * V::kLanes);
  }
}

template <typename W>
void pack_keys(const HeadPack& pack) noexcept {
  using V = typename W::V;
  constexpr std::int64_t kStep = V::kLanes * W::kPerWord;
  alignas(64) float block[V::kLanes * V::kLanes];
  alignas(64) float turned[V::kLanes * V::kLanes];
  const std::int64_t width = pack.rows.width;
  const bool even =
      W::kInPlace && pack.rows.index == nullptr && pack.rows.stride % W::kPerWord == 0;
  for (std::int64_t key = 0; key < pack.rows.count; key += V::kLanes) {
    const bool in_place = even && key + V::kLanes <= pack.rows.count;
    Word* to = pack.dst + key / pack.panel * pack.panel * pack.words + key % pack.panel;
    std::int64_t d = 0;
    for (; d + kStep <= width; d += kStep, to += V::kLanes * pack.panel) {
      if (in_place) {
        const auto* const from = element_row<W>(pack.rows, key) + d;
        V::transpose(reinterpret_cast<const float*>(from), pack.rows.stride / W::kPerWord, to,
                     pack.panel);
      } else {
        gather_keys<W>(pack, key, d, AllLanes{}, block);
        V::transpose(block, V::kLanes, to, pack.panel);
      }
    }
    if (d == width) continue;
    gather_keys<W>(pack, key, d, width - d, block);
    V::transpose(block, V::kLanes, turned, V::kLanes);
    for (std::int64_t w = 0; w < pack.words - d / W::kPerWord; ++w) {
      V::load(turned + w * V::kLanes).store(to + w * pack.panel);
    }
  }
}

template <typename W>
void pack_values(const HeadPack& pack) noexcept {
  using V = typename W::V;
  for (std::int64_t word = 0; word < pack.words; ++word) {
    const typename W::Element* keys[W::kPerWord];
    for (std::int64_t k = 0; k < W::kPerWord; ++k) {
      const std::int64_t key = word * W::kPerWord + k;
      keys[k] = key < pack.rows.count ? element_row<W>(pack.rows, key) : nullptr;
    }
    for_vectors<V>(0, pack.rows.width, [&](std::int64_t d, auto n) {
      Word* const to = pack.dst + d / pack.panel * pack.panel * pack.words + word * pack.panel;
      const V v = keys[0] == nullptr ? V::zero() : W::values(keys, d, n);
      v.store(to + d % pack.panel);
    });
  }
}

/// Largest of the first `count` scores.
template <typename V>
[[gnu::always_inline]] inline float largest_score(const float* s, std::int64_t count) noexcept {
  const V low = V::set(-__builtin_inff());
  V a = low;
  V b = low;
  std::int64_t j = 0;
  for (; j + 2 * V::kLanes <= count; j += 2 * V::kLanes) {
    a = V::max(V::load(s + j), a);
    b = V::max(V::load(s + j + V::kLanes), b);
  }
  for (; j < count; j += V::kLanes) {
    a = V::max(V::select(V::first(count - j), V::load(s + j), low), a);
  }
  return V::max(a, b).largest();
}

/// Scores to weights 2^(scale * (score - top)), two vectors at a time; returns their sum before
/// the factor alpha. A word is never longer than its score, so writing follows reading.
template <typename W>
[[gnu::always_inline]] inline float weigh_scores(const SoftmaxTask& task, float* s, float top,
                                                 std::int64_t visible,
                                                 std::int64_t whole) noexcept {
  using V = typename W::V;
  constexpr std::int64_t kPair = 2 * V::kLanes;
  const V shift = V::set(top);
  const V scale = V::set(task.scale);
  const auto weight = [=](std::int64_t j) { return W::power((V::load(s + j) - shift) * scale); };
  V sum_a = V::zero();
  V sum_b = V::zero();
  std::int64_t j = 0;
  for (; j + kPair <= whole; j += kPair) {
    const V a = weight(j);
    const V b = weight(j + V::kLanes);
    sum_a = sum_a + a;
    sum_b = sum_b + b;
    W::store(s + j / W::kPerWord, a, b);
  }
  const auto part = [=](std::int64_t at) {  // zero from `visible` on
    if (at >= visible) return V::zero();
    return V::select(V::first(visible - at), weight(at), V::zero());
  };
  for (; j < visible; j += kPair) {
    V a = part(j);
    V b = part(j + V::kLanes);
    sum_a = sum_a + a;
    sum_b = sum_b + b;
    if (whole < visible) {
      const V alpha = V::set(task.alpha);
      a = V::select(V::first(whole - j), a, a * alpha);
      b = V::select(V::first(whole - j - V::kLanes), b, b * alpha);
    }
    W::store(s + j / W::kPerWord, a, b);
  }
  for (; j < task.keys; j += kPair) W::store(s + j / W::kPerWord, V::zero(), V::zero());
  return (sum_a + sum_b).sum();
}

/// Asks for the cache lines of row i. Inlined by force: GCC drops calls to functions that do
/// nothing but prefetch.
template <typename W, bool kWrite>
[[gnu::always_inline]] inline void prefetch_row(const HeadRows& rows, std::int64_t i,
                                                std::int64_t bytes) noexcept {
  constexpr std::uintptr_t kLine = 64;
  const auto row = reinterpret_cast<std::uintptr_t>(element_row<W>(rows, i));
  const std::uintptr_t end = row + static_cast<std::uintptr_t>(bytes);
  for (std::uintptr_t line = row / kLine * kLine; line < end; line += kLine) {
    __builtin_prefetch(reinterpret_cast<const void*>(line), kWrite ? 1 : 0, 2);
  }
}

/// The share of row i of this tile in calling up memory.
template <typename W>
[[gnu::always_inline]] inline void prefetch_ahead(const HeadAhead& ahead, std::int64_t i) noexcept {
  prefetch_row<W, true>(ahead.out, i, ahead.bytes);
  const auto rows = [&](const HeadRows& from, std::int64_t step) {
    const std::int64_t begin = (ahead.query + i) * step;
    const std::int64_t end = begin + step < from.count ? begin + step : from.count;
    for (std::int64_t n = begin; n < end; ++n) prefetch_row<W, false>(from, n, ahead.bytes);
  };
  rows(ahead.q, ahead.q_step);
  rows(ahead.k, ahead.k_step);
  rows(ahead.v, ahead.k_step);
}

/// A row of a block behind the first: joins it with what the blocks before left.
template <typename W>
[[gnu::always_inline]] inline void join_block(const SoftmaxTask& task, std::int64_t i, float* s,
                                              std::int64_t visible, std::int64_t whole) noexcept {
  using V = typename W::V;
  const float block_top = largest_score<V>(s, visible);
  const float before = task.top[i];
  const float top = visible == 0 || block_top <= before ? before : block_top;  // keeps a NaN
  const float sum = weigh_scores<W>(task, s, top, visible, whole);
  if (top == before) {
    task.sum[i] += sum;
    return;
  }
  const V factor = W::power(V::set((before - top) * task.scale));
  task.top[i] = top;
  task.sum[i] = task.sum[i] * factor.largest() + sum;
  float* const acc = task.acc + i * task.acc_pitch;
  for (std::int64_t d = 0; d < task.acc_pitch; d += V::kLanes) {
    (V::load(acc + d) * factor).store(acc + d);
  }
}

template <typename W>
void softmax(const SoftmaxTask& given) noexcept {
  // Copies: vectors may alias anything, so the compiler would read the fields again in every row.
  const SoftmaxTask task = given;
  if (!task.first) {
    for (std::int64_t i = 0; i < task.rows; ++i) {
      join_block<W>(task, i, task.scores + i * task.pitch, task.visible(i), task.whole(i));
    }
    return;
  }
  const HeadAhead ahead = *task.ahead;
  for (std::int64_t i = 0; i < task.rows; ++i) {
    float* const s = task.scores + i * task.pitch;
    const std::int64_t visible = task.visible(i);
    prefetch_ahead<W>(ahead, i);
    const float top = largest_score<typename W::V>(s, visible);
    task.top[i] = top;
    task.sum[i] = weigh_scores<W>(task, s, top, visible, task.whole(i));
  }
}

template <typename W>
void finish(const FinishTask& task) noexcept {
  using V = typename W::V;
  for (std::int64_t i = 0; i < task.rows.count; ++i) {
    // The output's rows come as the inputs' do; they are written all the same.
    auto* const to = const_cast<typename W::Element*>(element_row<W>(task.rows, i));
    const float* const acc = task.acc + i * task.acc_pitch;
    const V inverse = V::set(1.0F / task.sum[i]);
    for_vectors<V>(0, task.rows.width, [&](std::int64_t d, auto n) {
      W::store_out(to + d, V::load(acc + d) * inverse, n);
    });
    for_vectors<V>(0, task.pad, [&](std::int64_t d, auto n) {
      W::store_out(to + task.rows.width + d, V::zero(), n);
    });
  }
}

template <typename W>
consteval detail::AttendFunctions attend_functions() noexcept {
  return {.pack_queries = pack_queries<W>,
          .pack_keys = pack_keys<W>,
          .pack_values = pack_values<W>,
          .softmax = softmax<W>,
          .finish = finish<W>};
}

}  // namespace conopa::kernels::simd
