#include "image/alpha.h"

#include <algorithm>

namespace conopa::image {

Image premultiplied(const ImageView& image) {
  Image out(image);
  for (std::size_t i = 0; i < out.pixels.size(); i += 4) {
    std::uint8_t* pixel = &out.pixels[i];
    for (int c = 0; c < 3; ++c) pixel[c] = scaled_sample(pixel[c], pixel[3]);
  }
  return out;
}

Image unpremultiplied(Image image) {
  for (std::size_t i = 0; i < image.pixels.size(); i += 4) {
    std::uint8_t* pixel = &image.pixels[i];
    const int alpha = pixel[3];
    if (alpha == 0 || alpha == 255) continue;
    for (int c = 0; c < 3; ++c) {
      pixel[c] = static_cast<std::uint8_t>(std::min(255 * pixel[c] / alpha, 255));
    }
  }
  return image;
}

}  // namespace conopa::image
