#pragma once

#include "conopa/arch/encoder_spec.h"
#include "conopa/core/host_tensor.h"

namespace conopa::arch {

/// Interpolates a learned position embedding to another grid.
///
/// The patch part is resized as an image of D channels by bicubic interpolation (a = −0.75,
/// align_corners false, no antialiasing); the class entry keeps its value and its place. Any grid,
/// square or not. Equal grids return the input unchanged.
/// @param from      resolved spec the embedding belongs to.
/// @param to        resolved spec to fit; must agree with `from` on dim and class token.
/// @param position  [1, from.num_tokens(), D], any float dtype.
/// @return          [1, to.num_tokens(), D] float32.
/// @throws ShapeError if the tensor does not belong to `from` or the specs disagree.
/// @source iLLaMA (arXiv 2404.06773), fine-tuning at 384.
[[nodiscard]] HostTensor resize_position(const EncoderSpec& from, const EncoderSpec& to,
                                         const HostTensor& position);

}  // namespace conopa::arch
