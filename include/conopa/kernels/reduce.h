#pragma once

#include <cstdint>
#include <span>

#include "conopa/kernels/rows.h"

namespace conopa::kernels {

/// sums[d] = sum over rows of x[row, d], e.g. the gradient of a bias.
///
/// The order of additions depends on the shape only, never on the thread count.
/// @throws ShapeError if a buffer is too short.
/// @complexity O(rows*width), scratch O(width * min(64, rows/32)).
void column_sums(std::int64_t rows, std::int64_t width, ConstRows x, std::span<float> sums);

}  // namespace conopa::kernels
