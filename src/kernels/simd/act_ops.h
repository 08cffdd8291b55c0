#pragma once

#include <cstdint>

#include "kernels/act_ops_table.h"
#include "kernels/simd/act_rows.h"

namespace conopa::kernels::simd {

// Row operations of inference. Rows of some KiB stay in the first-level cache between the passes
// over them, so each buffer crosses the memory bus once.

/// Sum over the row of x, or of (x - shift)^2, with two chains of additions.
template <typename V, bool kSquares>
[[gnu::always_inline]] inline float sum_row(const float* x, std::int64_t width,
                                            float shift) noexcept {
  V sums[2] = {V::zero(), V::zero()};
  const V mean = V::set(shift);
  const auto add = [&](V& sum, V v) { sum = kSquares ? V::fma(v - mean, v - mean, sum) : sum + v; };
  std::int64_t i = 0;
  for (; i + 2 * V::kLanes <= width; i += 2 * V::kLanes) {
    add(sums[0], V::load(x + i));
    add(sums[1], V::load(x + i + V::kLanes));
  }
  for (; i < width; i += V::kLanes) {
    add(sums[0], V::select(V::first(width - i), V::load(x + i, width - i), mean));
  }
  return (sums[0] + sums[1]).sum();
}

template <typename L>
inline void norm_row(const NormRows& args, std::int64_t row) noexcept {
  using V = typename L::V;
  const float* const x = args.x + row * args.x_stride;
  const auto count = static_cast<float>(args.width);
  const bool layer = args.kind == NormKind::kLayer;
  const float mean = layer ? sum_row<V, false>(x, args.width, 0.0F) / count : 0.0F;
  const float variance = sum_row<V, true>(x, args.width, mean) / count;
  const V scale = V::set(1.0F / __builtin_sqrtf(variance + args.eps));
  const V shift = V::set(mean);
  const float* const weight = args.weight;
  const float* const bias = args.bias;
  write_row<L>(args.y, row, args.width, [=](std::int64_t i, auto n) {
    V v = (V::load(x + i, n) - shift) * scale;
    if (weight != nullptr) v = v * V::load(weight + i, n);
    if (bias != nullptr) v = v + V::load(bias + i, n);
    return v;
  });
}

template <typename L>
void norm_rows(const NormRows& args, std::int64_t begin, std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) norm_row<L>(args, row);
}

template <typename L, typename Source>
inline void convert_from(const ConvertRows& args, std::int64_t begin, std::int64_t end) noexcept {
  const auto* const data = static_cast<const typename Source::Element*>(args.x.data);
  for (std::int64_t row = begin; row < end; ++row) {
    const auto* const x = data + row * args.x.stride;
    write_row<L>(args.y, row, args.width,
                 [=](std::int64_t i, auto n) { return Source::load(x + i, n); });
  }
}

template <typename L>
void convert_rows(const ConvertRows& args, std::int64_t begin, std::int64_t end) {
  if (args.x.type == ActType::kF32) {
    convert_from<L, FloatSource<L>>(args, begin, end);
  } else {
    convert_from<L, Bf16Source<L>>(args, begin, end);
  }
}

/// A line of a map from its three input lines, null where the map ends. A template over the lanes,
/// not over their vector type, which two instruction sets share.
template <typename L>
inline void depthwise_line(const DepthwiseRows& args, const float* const (&lines)[3],
                           const float* x, float* y) noexcept {
  using V = typename L::V;
  for_vectors<V>(0, args.channels, [&](std::int64_t c, auto n) {
    const V bias = args.bias == nullptr ? V::zero() : V::load(args.bias + c, n);
    V weight[9];
    for (int tap = 0; tap < 9; ++tap)
      weight[tap] = V::load(args.weight + tap * args.channels + c, n);
    V left[3], middle[3];
    for (int k = 0; k < 3; ++k) {
      left[k] = V::zero();
      middle[k] = lines[k] == nullptr ? V::zero() : V::load(lines[k] + c, n);
    }
    for (std::int64_t column = 0; column < args.width; ++column) {
      const std::int64_t at = column * args.stride + c;
      V sum = V::load(x + at, n) + bias;
      for (int k = 0; k < 3; ++k) {
        const bool inside = lines[k] != nullptr && column + 1 < args.width;
        const V right = inside ? V::load(lines[k] + at + args.stride, n) : V::zero();
        sum = V::fma(weight[3 * k], left[k], sum);
        sum = V::fma(weight[3 * k + 1], middle[k], sum);
        sum = V::fma(weight[3 * k + 2], right, sum);
        left[k] = middle[k];
        middle[k] = right;
      }
      sum.store(y + at, n);
    }
  });
}

template <typename L>
void depthwise_rows(const DepthwiseRows& args, std::int64_t begin, std::int64_t end) {
  for (std::int64_t part = begin; part < end; ++part) {
    const std::int64_t y = part % args.height;
    const std::int64_t row =
        part / args.height * args.rows_per_image + args.first_row + y * args.width;
    const float* const x = args.x + row * args.stride;
    const std::int64_t line = args.width * args.stride;
    const float* const lines[3] = {y > 0 ? x - line : nullptr, x,
                                   y + 1 < args.height ? x + line : nullptr};
    depthwise_line<L>(args, lines, x, args.y + row * args.stride);
  }
}

}  // namespace conopa::kernels::simd
