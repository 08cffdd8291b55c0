#pragma once

#include <string_view>

#include "conopa/arch/encoder_spec.h"
#include "conopa/core/host_tensor.h"

namespace conopa::arch {

/// Whether a tensor is an additive position embedding of the spec, whose size follows the image.
[[nodiscard]] bool is_position(const EncoderSpec& spec, std::string_view name);

/// Whether a model of `from` can lend its position embeddings to `to`: both have the same kind, the
/// same widths and class token.
[[nodiscard]] bool positions_fit(const EncoderSpec& from, const EncoderSpec& to);

/// Interpolates an additive position embedding to another grid.
///
/// The patch part is resized as an image of D channels by bicubic interpolation (a = −0.75,
/// align_corners false, no antialiasing); the class entry keeps its value and its place. Any grid,
/// square or not. Equal grids return the input unchanged. Fixed (sine-cosine) positions are
/// computed anew.
/// @param from      resolved spec the embedding belongs to.
/// @param to        resolved spec to fit; must agree with `from` on widths and class token.
/// @param name      of the tensor: is_position(from, name).
/// @param position  [1, rows, D], any float dtype.
/// @return          [1, rows of `to`, D] float32.
/// @throws ShapeError if the tensor does not belong to `from` or the specs disagree.
/// @source iLLaMA (arXiv 2404.06773), fine-tuning at 384.
[[nodiscard]] HostTensor resize_position(const EncoderSpec& from, const EncoderSpec& to,
                                         std::string_view name, const HostTensor& position);

}  // namespace conopa::arch
