#pragma once

#include <cstdint>

namespace conopa::kernels::simd {

/// Small matrix products for attention: C = A B or C += A B with B and C in whole vectors (rows
/// padded to V::kLanes) and A read element by element, so that A may be transposed for free.
struct GemmRange {
  std::int64_t depth_begin = 0;
  std::int64_t depth_end = 0;
  std::int64_t vectors = 0;  ///< columns to compute, in vectors
};

template <bool kTransposed>
struct GemmLeft {
  const float* data;
  std::int64_t stride;
  [[nodiscard]] const float* at(std::int64_t row, std::int64_t k) const noexcept {
    return kTransposed ? data + k * stride + row : data + row * stride + k;
  }
};

struct GemmRight {
  const float* data;
  std::int64_t stride;
};

struct GemmResult {
  float* data;
  std::int64_t stride;
  bool accumulate;
};

/// kRows x kVectors accumulators held in registers over the whole depth.
template <typename V, int kRows, int kVectors, bool kTransposed>
inline void gemm_tile(GemmLeft<kTransposed> a, const float* b, std::int64_t b_stride, float* c,
                      std::int64_t c_stride, std::int64_t depth, bool accumulate) noexcept {
  V acc[kRows][kVectors];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int n = 0; n < kVectors; ++n) {
      acc[r][n] = accumulate ? V::load(c + r * c_stride + n * V::kLanes) : V::zero();
    }
  }
  for (std::int64_t k = 0; k < depth; ++k) {
    V right[kVectors];
#pragma GCC unroll 4
    for (int n = 0; n < kVectors; ++n) right[n] = V::load(b + k * b_stride + n * V::kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const V left = V::set(*a.at(r, k));
#pragma GCC unroll 4
      for (int n = 0; n < kVectors; ++n) acc[r][n] = V::fma(left, right[n], acc[r][n]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int n = 0; n < kVectors; ++n) acc[r][n].store(c + r * c_stride + n * V::kLanes);
  }
}

/// The rows [row, rows) of one panel of kVectors columns, most rows first.
template <typename V, int kRows, int kVectors, bool kTransposed, typename Range>
inline void gemm_rows(std::int64_t row, std::int64_t rows, std::int64_t vector,
                      GemmLeft<kTransposed> a, GemmRight b, GemmResult c, Range range) noexcept {
  for (; row + kRows <= rows; row += kRows) {
    const GemmRange r = range(row, row + kRows);
    if (vector >= r.vectors) continue;
    const std::int64_t column = vector * V::kLanes;
    gemm_tile<V, kRows, kVectors>(GemmLeft<kTransposed>{a.at(row, r.depth_begin), a.stride},
                                  b.data + r.depth_begin * b.stride + column, b.stride,
                                  c.data + row * c.stride + column, c.stride,
                                  r.depth_end - r.depth_begin, c.accumulate);
  }
  if constexpr (kRows > 1) {
    if (row < rows) gemm_rows<V, kRows / 2, kVectors>(row, rows, vector, a, b, c, range);
  }
}

/// Panels of kVectors columns; what is left goes to narrower ones.
template <typename V, int kVectors, bool kTransposed, typename Range>
inline void gemm_panels(std::int64_t vector, std::int64_t vectors, std::int64_t rows,
                        GemmLeft<kTransposed> a, GemmRight b, GemmResult c, Range range) noexcept {
  for (; vector + kVectors <= vectors; vector += kVectors) {
    gemm_rows<V, V::kTileRows[kVectors], kVectors>(0, rows, vector, a, b, c, range);
  }
  if constexpr (kVectors > 1) {
    if (vector < vectors) gemm_panels<V, kVectors - 1>(vector, vectors, rows, a, b, c, range);
  }
}

/// C[rows, vectors] (+)= A B, where range(first_row, last_row) says which depth and columns a block
/// of rows needs; columns outside stay untouched.
///
/// A panel of B (at most kTileVectors wide) stays in the first-level cache while all rows pass.
template <typename V, bool kTransposed, typename Range>
inline void gemm(std::int64_t rows, std::int64_t vectors, GemmLeft<kTransposed> a, GemmRight b,
                 GemmResult c, Range range) noexcept {
  gemm_panels<V, V::kTileVectors>(0, vectors, rows, a, b, c, range);
}

}  // namespace conopa::kernels::simd
