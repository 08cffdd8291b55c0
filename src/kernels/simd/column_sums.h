#pragma once

#include <cstdint>

#include "conopa/core/parallel.h"
#include "conopa/kernels/reduce.h"
#include "kernels/scratch.h"
#include "kernels/simd/rope.h"

namespace conopa::kernels::simd {

/// Runs body(begin, end, partial) over chunks of rows, each with its own zeroed partial sums of
/// `width` floats, then finish(total). Chunks depend on the row count alone, and the totals are
/// added in their order, so the result is the same for every thread count.
template <typename V, typename Body, typename Finish>
void sum_in_chunks(std::int64_t rows, std::int64_t width, Body body, Finish finish) {
  const std::int64_t fit = rows / 32;
  const std::int64_t chunks = fit < 1 ? 1 : fit > 64 ? 64 : fit;
  const std::int64_t stride = (width + V::kLanes - 1) / V::kLanes * V::kLanes;
  float* const partials = thread_scratch(ScratchSlot::kShared, chunks * stride);
  parallel_for(0, chunks, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t c = first; c < last; ++c) {
      float* const partial = partials + c * stride;
      for (std::int64_t d = 0; d < stride; d += V::kLanes) V::zero().store(partial + d);
      body(rows * c / chunks, rows * (c + 1) / chunks, partial);
    }
  });
  for (std::int64_t c = 1; c < chunks; ++c) {
    for (std::int64_t d = 0; d < stride; d += V::kLanes) {
      (V::load(partials + d) + V::load(partials + c * stride + d)).store(partials + d);
    }
  }
  finish(partials);
}

/// Adds kVectors vectors of columns over the rows [begin, end) in registers.
template <typename V, int kVectors>
inline void add_columns(const ConstRows& x, std::int64_t begin, std::int64_t end,
                        std::int64_t column, float* sums) noexcept {
  V acc[kVectors];
  for (V& a : acc) a = V::zero();
  for (std::int64_t row = begin; row < end; ++row) {
    const float* const values = x.row(row) + column;
#pragma GCC unroll 8
    for (int n = 0; n < kVectors; ++n) acc[n] = acc[n] + V::load(values + n * V::kLanes);
  }
#pragma GCC unroll 8
  for (int n = 0; n < kVectors; ++n) acc[n].store(sums + column + n * V::kLanes);
}

/// All whole vectors from `column` on, the widest groups first; returns the first column left.
template <typename V, int kVectors>
inline std::int64_t add_whole_columns(const ConstRows& x, std::int64_t begin, std::int64_t end,
                                      std::int64_t column, std::int64_t width,
                                      float* sums) noexcept {
  for (; column + kVectors * V::kLanes <= width; column += kVectors * V::kLanes) {
    add_columns<V, kVectors>(x, begin, end, column, sums);
  }
  if constexpr (kVectors > 1) {
    column = add_whole_columns<V, kVectors / 2>(x, begin, end, column, width, sums);
  }
  return column;
}

template <typename V>
void column_sums(std::int64_t rows, std::int64_t width, ConstRows x, std::span<float> sums) {
  sum_in_chunks<V>(
      rows, width,
      [&](std::int64_t begin, std::int64_t end, float* partial) {
        const std::int64_t d = add_whole_columns<V, 8>(x, begin, end, 0, width, partial);
        if (d == width) return;
        V tail = V::zero();
        for (std::int64_t row = begin; row < end; ++row) {
          tail = tail + V::load(x.row(row) + d, width - d);
        }
        tail.store(partial + d);
      },
      [&](const float* total) { scale_row<V>(total, sums.data(), width, 1.0F); });
}

}  // namespace conopa::kernels::simd
