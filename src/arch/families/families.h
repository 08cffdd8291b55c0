#pragma once

#include "conopa/arch/registry.h"

namespace conopa::arch {

// One function per file of this folder; registry.cpp lists them.
[[nodiscard]] Family illama_family();
[[nodiscard]] Family vit_family();

/// Sets dim, depth and heads of the size word ("tiny", "small", "base", "large") in a preset's
/// name; other names leave the spec alone.
void set_standard_size(EncoderSpec& spec, std::string_view preset);

/// Fills what the tensors of every plain (one-stage) encoder tell: dim, depth, patch, channels,
/// classes, and a square grid from the learned position embedding. Heads follow from a head width
/// of 64, which shapes cannot tell.
/// @param hidden  shape of a feed-forward weight [hidden, dim].
/// @return whether the tensors are those of such an encoder; the spec is unchanged if not.
/// @throws FormatError if the grid is not square.
[[nodiscard]] bool read_plain_shapes(EncoderSpec& spec, const TensorIndex& tensors,
                                     const Shape* hidden);

/// Shape of a tensor, or null.
[[nodiscard]] const Shape* shape_of(const TensorIndex& tensors, std::string_view name);

}  // namespace conopa::arch
