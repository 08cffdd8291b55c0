#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "conopa/image/image.h"

namespace conopa::report {

/// Maps of features as colours.
struct FeatureMaps {
  std::span<const float> components{};  ///< [images, rows·cols, 3], say principal components
  std::int64_t images = 0;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
};

/// One RGB picture per image: each component is stretched so that its 2 % quantile over all images
/// becomes 0 and its 98 % quantile 255, values beyond are cut off; a component without spread is
/// gray. Tokens become rectangles of one colour.
/// @param width, height  px of the pictures.
/// @throws ShapeError if the components do not fit or the size is not positive; FormatError if a
///         value is not finite.
[[nodiscard]] std::vector<image::Image> feature_rgb(const FeatureMaps& maps, std::int64_t width,
                                                    std::int64_t height);

}  // namespace conopa::report
