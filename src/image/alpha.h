#pragma once

#include "conopa/image/image.h"

namespace conopa::image {

/// Product of two samples as a sample, a * b / 255 rounded, in PIL's integer form.
inline std::uint8_t scaled_sample(std::uint32_t a, std::uint32_t b) {
  const std::uint32_t product = a * b + 128;
  return static_cast<std::uint8_t>(((product >> 8) + product) >> 8);
}

/// Colours of a 4-channel image times alpha, so that transparent pixels do not bleed when mixed.
[[nodiscard]] Image premultiplied(const ImageView& image);
/// Inverse of premultiplied(), as far as 8 bits allow.
[[nodiscard]] Image unpremultiplied(Image image);

}  // namespace conopa::image
