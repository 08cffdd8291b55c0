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

template <typename V>
void column_sums(std::int64_t rows, std::int64_t width, ConstRows x, std::span<float> sums) {
  sum_in_chunks<V>(
      rows, width,
      [&](std::int64_t begin, std::int64_t end, float* partial) {
        for (std::int64_t row = begin; row < end; ++row) {
          const float* const values = x.row(row);
          for (std::int64_t d = 0; d < width; d += V::kLanes) {
            const std::int64_t n = lanes_at<V>(d, width);
            (V::load(partial + d, n) + V::load(values + d, n)).store(partial + d, n);
          }
        }
      },
      [&](const float* total) { scale_row<V>(total, sums.data(), width, 1.0F); });
}

}  // namespace conopa::kernels::simd
