#pragma once

#include <cmath>
#include <cstdint>
#include <span>

#include "conopa/core/parallel.h"
#include "conopa/kernels/softmax_loss.h"
#include "kernels/simd/exp.h"
#include "kernels/simd/lanes.h"

namespace conopa::kernels::simd {

/// log(sum(e^x)) of one row.
template <typename V>
inline float log_sum_exp(const float* x, std::int64_t count) noexcept {
  const V low = V::set(-__builtin_inff());
  V top = low;
  for_vectors<V>(0, count, [&](std::int64_t k, auto n) {
    top = V::max(V::select(V::first(n), V::load(x + k, n), low), top);
  });
  const float shift = top.largest();
  V sum = V::zero();
  for_vectors<V>(0, count, [&](std::int64_t k, auto n) {
    const V e = exp(V::load(x + k, n) - V::set(shift));
    sum = sum + V::select(V::first(n), e, V::zero());
  });
  return shift + std::log(sum.sum());
}

/// One row's target: vectors of weights, whose total is `mass`.
template <typename V>
struct TargetRow {
  const float* dense;
  std::int64_t label;
  float base;  ///< every class's weight when dense is null
  float peak;  ///< added at the label

  TargetRow(const LossTarget& target, std::int64_t row, std::int64_t classes) noexcept
      : dense(target.dense.empty() ? nullptr : target.dense.data() + row * classes),
        label(dense != nullptr ? 0 : target.labels.data()[row]),
        base(target.smoothing / static_cast<float>(classes)),
        peak(1.0F - target.smoothing) {}

  template <typename Lanes>
  [[nodiscard]] V load(std::int64_t k, Lanes n) const noexcept {
    if (dense != nullptr) return V::load(dense + k, n);
    return V::select(V::first(n), V::set(base), V::zero());
  }
  [[nodiscard]] float mass(std::int64_t classes) const noexcept {
    if (dense == nullptr) return 1.0F;
    V sum = V::zero();
    for_vectors<V>(0, classes, [&](std::int64_t k, auto n) { sum = sum + V::load(dense + k, n); });
    return sum.sum();
  }
};

template <typename V>
void cross_entropy_forward(std::int64_t classes, std::span<const float> logits,
                           const LossTarget& target, std::span<float> loss, std::span<float> lse) {
  const auto rows = static_cast<std::int64_t>(loss.size());
  parallel_for(0, rows, 1 + 4096 / classes, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const float* const x = logits.data() + row * classes;
      const TargetRow<V> t(target, row, classes);
      const float norm = log_sum_exp<V>(x, classes);
      V sum = V::zero();
      for_vectors<V>(0, classes, [&](std::int64_t k, auto n) {
        sum = V::fma(t.load(k, n), V::set(norm) - V::load(x + k, n), sum);
      });
      loss.data()[row] = sum.sum() + (t.dense != nullptr ? 0.0F : t.peak * (norm - x[t.label]));
      if (!lse.empty()) lse.data()[row] = norm;
    }
  });
}

template <typename V>
void cross_entropy_backward(std::int64_t classes, std::span<const float> logits,
                            const LossTarget& target, std::span<const float> lse,
                            std::span<const float> dloss, std::span<float> dlogits) {
  const auto rows = static_cast<std::int64_t>(lse.size());
  parallel_for(0, rows, 1 + 4096 / classes, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const float* const x = logits.data() + row * classes;
      float* const dx = dlogits.data() + row * classes;
      const TargetRow<V> t(target, row, classes);
      const float scale = dloss.data()[dloss.size() == 1 ? 0 : row];
      const V mass = V::set(t.mass(classes));
      const V norm = V::set(lse.data()[row]);
      for_vectors<V>(0, classes, [&](std::int64_t k, auto n) {
        const V p = exp(V::load(x + k, n) - norm);
        (V::set(scale) * (p * mass - t.load(k, n))).store(dx + k, n);
      });
      if (t.dense == nullptr) dx[t.label] -= scale * t.peak;
    }
  });
}

}  // namespace conopa::kernels::simd
