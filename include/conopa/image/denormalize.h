#pragma once

#include <vector>

#include "conopa/core/host_tensor.h"
#include "conopa/image/image.h"

namespace conopa::image {

/// The picture that a normalised tensor shows: v·std + mean in 0..1, rounded to 8 bits, values
/// outside cut off.
/// @param tensor     [C, H, W] float32, C 1 or 3.
/// @param mean, std  one value, or one per channel, as in the transform that made the tensor.
/// @throws ShapeError if the tensor has another rank or number of channels.
[[nodiscard]] Image denormalize(const HostTensor& tensor, const std::vector<double>& mean,
                                const std::vector<double>& std);

}  // namespace conopa::image
