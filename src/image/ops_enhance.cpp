// Operations that mix an image with a degenerate form of itself.

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "conopa/image/ops.h"
#include "image/sample_table.h"

namespace conopa::image {
namespace {

/// from + factor * (to - from) in single precision, cut off to an integer (PIL's Image.blend).
std::uint8_t mix(int from, int to, float factor) {
  const float value = static_cast<float>(from) + factor * static_cast<float>(to - from);
  return static_cast<std::uint8_t>(std::clamp(value, 0.0F, 255.0F));
}

Image blend(const Image& degenerate, Image image, double factor) {
  const auto single = static_cast<float>(factor);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    image.pixels[i] = mix(degenerate.pixels[i], image.pixels[i], single);
  }
  return image;
}

Image blend_with_level(int level, Image image, double factor) {
  const auto single = static_cast<float>(factor);
  return apply_table(std::move(image), make_table([&](int v) { return mix(level, v, single); }));
}

/// 3x3 average with five-fold centre; the outermost pixels are copied.
Image smooth(const Image& image) {
  constexpr float kSide = 1.0F / 13.0F;
  constexpr float kCenter = 5.0F / 13.0F;
  Image out = image;
  const std::int64_t step = image.channels;
  for (std::int64_t y = 1; y + 1 < image.height; ++y) {
    const std::uint8_t* above = image.row(y - 1);
    const std::uint8_t* here = image.row(y);
    const std::uint8_t* below = image.row(y + 1);
    std::uint8_t* target = out.row(y);
    const auto three = [step](const std::uint8_t* row, std::int64_t i, float middle) {
      return static_cast<float>(row[i - step]) * kSide + static_cast<float>(row[i]) * middle +
             static_cast<float>(row[i + step]) * kSide;
    };
    for (std::int64_t i = step; i < image.width * step - step; ++i) {
      float sum = 0.5F;  // the order of the additions decides the rounding
      sum += three(below, i, kSide);
      sum += three(here, i, kCenter);
      sum += three(above, i, kSide);
      target[i] = static_cast<std::uint8_t>(std::clamp(sum, 0.0F, 255.0F));
    }
  }
  return out;
}

int mean_luma(const Image& image) {
  const Image gray = to_gray(image);
  std::uint64_t sum = 0;
  for (const std::uint8_t sample : gray.pixels) sum += sample;
  return static_cast<int>(static_cast<double>(sum) / static_cast<double>(gray.pixels.size()) + 0.5);
}

}  // namespace

Image grayscale(Image image) {
  require_opaque(image, "grayscale");
  return image.channels == 1 ? image : to_rgb(to_gray(image));
}

Image adjust_brightness(Image image, double factor) {
  require_opaque(image, "adjust_brightness");
  return blend_with_level(0, std::move(image), factor);
}

Image adjust_contrast(Image image, double factor) {
  require_opaque(image, "adjust_contrast");
  const int level = mean_luma(image);
  return blend_with_level(level, std::move(image), factor);
}

Image adjust_color(Image image, double factor) {
  require_opaque(image, "adjust_color");
  if (image.channels == 1) return image;
  const Image gray = grayscale(image);
  return blend(gray, std::move(image), factor);
}

Image adjust_sharpness(Image image, double factor) {
  require_opaque(image, "adjust_sharpness");
  const Image smoothed = smooth(image);
  return blend(smoothed, std::move(image), factor);
}

}  // namespace conopa::image
