#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace conopa::nn {

/// Images cut into patches, without copying where the patch divides the sides; sides that it does
/// not divide are filled with zeros, right and bottom.
/// @param images  [B, C, H, W]. Returns [B, C, rows, P, cols, P].
[[nodiscard]] at::Tensor cut_images(const at::Tensor& images, std::int64_t patch);

/// Patches of images as rows in the order of a flattened convolution weight, (channel, row,
/// column).
/// @param images  [B, C, H, W]. Returns [B·⌈H/P⌉·⌈W/P⌉, C·P·P].
[[nodiscard]] at::Tensor image_patches(const at::Tensor& images, std::int64_t patch);

/// The same of maps whose channels come last.
/// @param map  [B, H, W, C]. Returns [B·⌈H/P⌉·⌈W/P⌉, C·P·P].
[[nodiscard]] at::Tensor map_patches(const at::Tensor& map, std::int64_t patch);

}  // namespace conopa::nn
