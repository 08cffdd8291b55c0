#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace conopa {

/// Bicubic interpolation of a grid of vectors, as PyTorch's interpolate(mode="bicubic",
/// align_corners=False, antialias=False): cubic coefficient a = −0.75, borders repeated.
///
/// Used for position embeddings, whose grid is an image of D channels stored channels-last.
/// @param grid  [rows, cols, D] row-major.
/// @return      [new_rows, new_cols, D].
/// @throws ShapeError if a size is below 1 or `grid` has another length.
/// @complexity O(new_rows·new_cols·D·16).
[[nodiscard]] std::vector<float> resize_grid_bicubic(std::span<const float> grid, std::int64_t rows,
                                                     std::int64_t cols, std::int64_t D,
                                                     std::int64_t new_rows, std::int64_t new_cols);

/// Filters of resize_planes().
enum class PlaneFilter : std::uint8_t { kBilinear, kBicubic };

/// Resizes planes of numbers, as PyTorch's interpolate(align_corners=False, antialias=False):
/// bilinear, or bicubic with a = −0.75; borders repeated. For logits and feature maps; images are
/// resized with antialiasing by the image room.
/// @param planes  [C, rows, cols] row-major.
/// @return        [C, new_rows, new_cols].
/// @throws ShapeError if a size is below 1 or `planes` has another length.
/// @complexity O(C·new_cols·(rows + new_rows)).
[[nodiscard]] std::vector<float> resize_planes(std::span<const float> planes, std::int64_t C,
                                               std::int64_t rows, std::int64_t cols,
                                               std::int64_t new_rows, std::int64_t new_cols,
                                               PlaneFilter filter);

}  // namespace conopa
