#pragma once

#include <ATen/core/Tensor.h>

#include "conopa/arch/encoder_spec.h"

namespace conopa::nn {

/// Pixels of every patch in the order (row, column, channel), what a decoder predicts; patch
/// embeddings read (channel, row, column). Sides that the patch does not divide are filled with
/// zeros, right and bottom.
/// @param images  [B, C, H, W]. Returns [B, L, P·P·C], patches row by row.
[[nodiscard]] at::Tensor patch_pixels(const at::Tensor& images, std::int64_t patch);

/// Inverse of patch_pixels for images of the spec's size; the filling is cut off.
/// @param pixels  [B, L, P·P·C]. Returns [B, C, H, W].
[[nodiscard]] at::Tensor images_of_patches(const at::Tensor& pixels, const arch::EncoderSpec& spec);

/// Mean and deviation of every patch over its pixels and channels.
struct PatchStatistics {
  at::Tensor mean;       ///< [B, L, 1]
  at::Tensor deviation;  ///< [B, L, 1], √(unbiased variance + 1e-6)
};

/// @param pixels  [B, L, P·P·C] with at least 2 values a patch.
/// @source MAE (arXiv 2111.06377), section 3, normalised pixels.
[[nodiscard]] PatchStatistics patch_statistics(const at::Tensor& pixels);

/// Mean squared error of every patch, averaged over the removed ones.
///
/// Stock operations: the cost is nothing beside a model.
/// @param prediction, target  [B, L, P·P·C] float32.
/// @param removed             [B, L] float32, 1 where a patch counts, at least one.
/// @return scalar.
[[nodiscard]] at::Tensor removed_patch_error(const at::Tensor& prediction, const at::Tensor& target,
                                             const at::Tensor& removed);

}  // namespace conopa::nn
