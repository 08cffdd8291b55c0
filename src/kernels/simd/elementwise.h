#pragma once

#include <cmath>
#include <cstdint>
#include <span>

#include "conopa/core/parallel.h"
#include "conopa/kernels/activation.h"
#include "conopa/kernels/adamw.h"
#include "kernels/scratch.h"
#include "kernels/simd/exp.h"
#include "kernels/simd/lanes.h"

namespace conopa::kernels::simd {

// One pass over contiguous memory per operation, limited by the memory bus once the buffers leave
// the cache. Measured on one core of an AMD EPYC (Zen 5), 2026-11-22, machine busy, against
// libtorch 1.13 in the same run: SwiGLU forward + backward, 6,400 x 256: 2.6 ms, libtorch 9.0 ms
// (6,304 x 512: 5.1 ms, 45 ms); GELU 6,400 x 256: 1.2 ms, 3.2 ms; AdamW on 5.7 million
// parameters: 3.3 ms (50 GB/s), 56 ms.

/// Elements below which a second thread does not pay.
inline constexpr std::int64_t kElementGrain = 8192;

template <typename V, typename Body>
inline void parallel_vectors(std::size_t size, Body body) {
  parallel_for(0, static_cast<std::int64_t>(size), kElementGrain,
               [&](std::int64_t begin, std::int64_t end) { for_vectors<V>(begin, end, body); });
}

template <typename V, typename Body>
inline void parallel_rows(const SwigluShape& shape, Body body) {
  const std::int64_t grain = 1 + kElementGrain / (shape.hidden + 1);
  parallel_for(0, shape.rows, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) body(row);
  });
}

template <typename V>
void swiglu_forward(const SwigluShape& shape, ConstRows gate, ConstRows up, MutableRows out) {
  parallel_rows<V>(shape, [&](std::int64_t row) {
    const float* const g = gate.row(row);
    const float* const u = up.row(row);
    float* const o = out.row(row);
    for_vectors<V>(0, shape.hidden, [&](std::int64_t i, auto n) {
      const V x = V::load(g + i, n);
      (x * sigmoid(x) * V::load(u + i, n)).store(o + i, n);
    });
  });
}

template <typename V>
void swiglu_backward(const SwigluShape& shape, ConstRows gate, ConstRows up, ConstRows dout,
                     MutableRows dgate, MutableRows dup) {
  parallel_rows<V>(shape, [&](std::int64_t row) {
    const float* const g = gate.row(row);
    const float* const u = up.row(row);
    const float* const d = dout.row(row);
    float* const dg = dgate.row(row);
    float* const du = dup.row(row);
    for_vectors<V>(0, shape.hidden, [&](std::int64_t i, auto n) {
      const V x = V::load(g + i, n);
      const V grad = V::load(d + i, n);
      const V s = sigmoid(x);
      const V slope = s * V::fma(x, V::set(1.0F) - s, V::set(1.0F));
      const V through_up = grad * V::load(u + i, n);
      (through_up * slope).store(dg + i, n);
      (grad * x * s).store(du + i, n);
    });
  });
}

template <typename V>
void gelu_forward(std::span<const float> x, std::span<float> y) {
  const float* const in = x.data();
  float* const out = y.data();
  parallel_vectors<V>(x.size(), [=](std::int64_t i, auto n) {
    const V v = V::load(in + i, n);
    (v * normal(v).below).store(out + i, n);
  });
}

template <typename V>
void gelu_backward(std::span<const float> x, std::span<const float> dy, std::span<float> dx) {
  const float* const in = x.data();
  const float* const grad = dy.data();
  float* const out = dx.data();
  parallel_vectors<V>(x.size(), [=](std::int64_t i, auto n) {
    const V v = V::load(in + i, n);
    const Normal<V> at = normal(v);
    (V::load(grad + i, n) * V::fma(v, at.density, at.below)).store(out + i, n);
  });
}

template <typename V>
void vector_exp(std::span<const float> x, std::span<float> y) {
  const float* const in = x.data();
  float* const out = y.data();
  parallel_vectors<V>(x.size(),
                      [=](std::int64_t i, auto n) { exp(V::load(in + i, n)).store(out + i, n); });
}

template <typename V>
void adamw_step(const AdamWOptions& o, std::span<float> param, std::span<float> exp_avg,
                std::span<float> exp_avg_sq, std::span<const float> grad) {
  const auto steps = static_cast<double>(o.step);
  const V decay = V::set(static_cast<float>(1.0 - o.lr * o.weight_decay));
  const V root_bc2 = V::set(static_cast<float>(std::sqrt(1.0 - std::pow(o.beta2, steps))));
  const V step_size = V::set(static_cast<float>(-o.lr / (1.0 - std::pow(o.beta1, steps))));
  const V beta1 = V::set(static_cast<float>(o.beta1));
  const V beta2 = V::set(static_cast<float>(o.beta2));
  const V rest1 = V::set(static_cast<float>(1.0 - o.beta1));
  const V rest2 = V::set(static_cast<float>(1.0 - o.beta2));
  const V eps = V::set(static_cast<float>(o.eps));
  const V grad_scale = V::set(o.grad_scale);
  float* const p = param.data();
  float* const m = exp_avg.data();
  float* const v = exp_avg_sq.data();
  const float* const g = grad.data();
  parallel_vectors<V>(param.size(), [=](std::int64_t i, auto n) {
    const V slope = V::load(g + i, n) * grad_scale;
    const V first = V::fma(slope, rest1, V::load(m + i, n) * beta1);
    const V second = V::fma(rest2 * slope, slope, V::load(v + i, n) * beta2);
    first.store(m + i, n);
    second.store(v + i, n);
    const V denominator = V::sqrt(second) / root_bc2 + eps;
    (V::load(p + i, n) * decay + step_size * first / denominator).store(p + i, n);
  });
}

template <typename V>
void ema_update(std::span<float> ema, std::span<const float> param, double decay) {
  const V keep = V::set(static_cast<float>(decay));
  const V take = V::set(static_cast<float>(1.0 - decay));
  float* const e = ema.data();
  const float* const p = param.data();
  parallel_vectors<V>(ema.size(), [=](std::int64_t i, auto n) {
    V::fma(take, V::load(p + i, n), keep * V::load(e + i, n)).store(e + i, n);
  });
}

template <typename V>
void scale_in_place(std::span<float> x, float factor) {
  float* const p = x.data();
  parallel_vectors<V>(x.size(), [=](std::int64_t i, auto n) {
    (V::load(p + i, n) * V::set(factor)).store(p + i, n);
  });
}

/// Sum of squares of n floats in kLanes double accumulators; compilers vectorise the inner loop.
template <typename V>
inline double chunk_squares(const float* x, std::int64_t n) noexcept {
  double lanes[V::kLanes] = {};
  std::int64_t i = 0;
  for (; i + V::kLanes <= n; i += V::kLanes) {
    for (std::int64_t l = 0; l < V::kLanes; ++l) {
      const auto v = static_cast<double>(x[i + l]);
      lanes[l] += v * v;
    }
  }
  double sum = 0.0;
  for (; i < n; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  for (const double lane : lanes) sum += lane;
  return sum;
}

template <typename V>
double sum_of_squares(std::span<const float> x) {
  constexpr std::int64_t kChunk = 16384;
  const auto size = static_cast<std::int64_t>(x.size());
  const std::int64_t chunks = (size + kChunk - 1) / kChunk;
  const float* const p = x.data();
  // Doubles in a float buffer: each takes two places.
  auto* const sums = reinterpret_cast<double*>(thread_scratch(ScratchSlot::kShared, 2 * chunks));
  parallel_for(0, chunks, 1, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t c = begin; c < end; ++c) {
      const std::int64_t left = size - c * kChunk;
      sums[c] = chunk_squares<V>(p + c * kChunk, left < kChunk ? left : kChunk);
    }
  });
  double total = 0.0;
  for (std::int64_t c = 0; c < chunks; ++c) total += sums[c];
  return total;
}

}  // namespace conopa::kernels::simd
