#pragma once

#include "conopa/arch/registry.h"

namespace conopa::arch {

// One function per file of this folder; registry.cpp lists them.
[[nodiscard]] Family illama_family();
[[nodiscard]] Family vit_family();

/// Sizes of a checkpoint that every plain (one-stage) family reads off the same tensors.
struct PlainShapes {
  std::int64_t dim, depth, channels, patch;
};
/// Nothing if the patch embedding or the blocks are absent or oddly shaped.
[[nodiscard]] std::optional<PlainShapes> plain_shapes(const TensorIndex& tensors);

/// Shape of a tensor, or nothing.
[[nodiscard]] const Shape* shape_of(const TensorIndex& tensors, std::string_view name);

/// Sets height and width from the length of a learned position embedding with `extra` class
/// entries; square grids only (the shape cannot tell others).
/// @throws FormatError if the grid is not square.
void set_square_grid(EncoderSpec& spec, std::int64_t length, std::int64_t extra);

}  // namespace conopa::arch
