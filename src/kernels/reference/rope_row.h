#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "conopa/kernels/rope.h"

namespace conopa::kernels::reference {

/// Rotates one head of one token in place; `x` holds Dh channels.
inline void rotate_row(const RopeTable& table, std::int64_t b, std::int64_t n, std::int64_t h,
                       RopeDirection direction, std::span<double> x) {
  const std::size_t pairs = x.size() / 2;
  const bool adjacent = table.pairs == RopePairs::kAdjacent;
  const auto row = static_cast<std::size_t>(n * static_cast<std::int64_t>(pairs) +
                                            h * table.head_stride + b * table.batch_stride);
  for (std::size_t p = 0; p < pairs; ++p) {
    const double c = static_cast<double>(table.cos[row + p]);
    const double s = static_cast<double>(table.sin[row + p]) *
                     (direction == RopeDirection::kForward ? 1.0 : -1.0);
    double& first = x[adjacent ? 2 * p : p];
    double& second = x[adjacent ? 2 * p + 1 : p + pairs];
    const double a = first;
    first = a * c - second * s;
    second = a * s + second * c;
  }
}

}  // namespace conopa::kernels::reference
