#include <algorithm>
#include <cmath>
#include <cstdint>

#include "conopa/core/error.h"
#include "conopa/image/ops.h"
#include "image/sample_table.h"

namespace conopa::image {
namespace {

struct Hsv {
  std::uint8_t hue = 0;
  std::uint8_t saturation = 0;
  std::uint8_t value = 0;
};

std::uint8_t cut(double v) { return static_cast<std::uint8_t>(std::clamp(v, 0.0, 255.0)); }

/// PIL's conversion: the mixture of float and double decides the last bit.
Hsv to_hsv(const std::uint8_t* rgb) {
  const auto [low, high] = std::minmax({rgb[0], rgb[1], rgb[2]});
  if (low == high) return {0, 0, high};
  const auto range = static_cast<float>(high - low);
  const float saturation = range / static_cast<float>(high);
  const float r = static_cast<float>(high - rgb[0]) / range;
  const float g = static_cast<float>(high - rgb[1]) / range;
  const float b = static_cast<float>(high - rgb[2]) / range;
  float hue = 0.0F;
  if (rgb[0] == high) {
    hue = b - g;
  } else if (rgb[1] == high) {
    hue = static_cast<float>(2.0 + r - b);
  } else {
    hue = static_cast<float>(4.0 + g - r);
  }
  const double turns = hue / 6.0 + 1.0;  // 5/6 to 11/6; only the fraction counts
  hue = static_cast<float>(turns >= 1.0 ? turns - 1.0 : turns);
  return {cut(hue * 255.0), cut(saturation * 255.0), high};
}

void to_rgb(const Hsv& hsv, std::uint8_t* rgb) {
  if (hsv.saturation == 0) {
    std::fill_n(rgb, 3, hsv.value);
    return;
  }
  const double sector = static_cast<float>(hsv.hue) * 6.0 / 255.0;
  const int whole = static_cast<int>(sector);  // 0 to 6
  const auto part = static_cast<float>(sector - whole);
  const auto saturation = static_cast<float>(static_cast<float>(hsv.saturation) / 255.0);
  const auto scaled = [&](double share) { return cut(std::round(hsv.value * share)); };
  const std::uint8_t v = hsv.value;
  const std::uint8_t p = scaled(1.0 - saturation);
  const std::uint8_t q = scaled(1.0 - static_cast<double>(saturation * part));
  const std::uint8_t t = scaled(1.0 - saturation * (1.0 - part));
  const std::uint8_t table[6][3] = {{v, t, p}, {q, v, p}, {p, v, t},
                                    {p, q, v}, {t, p, v}, {v, p, q}};
  std::copy_n(table[whole % 6], 3, rgb);
}

}  // namespace

Image adjust_hue(Image image, double shift) {
  require_opaque(image, "adjust_hue");
  if (!(shift >= -0.5 && shift <= 0.5)) {
    throw ConfigError("adjust_hue", "shift must be -0.5 to 0.5, got {}", shift);
  }
  if (image.channels == 1) return image;
  const int steps = static_cast<int>(shift * 255.0);  // added modulo 256, as torchvision does
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) {
    Hsv hsv = to_hsv(&image.pixels[i]);
    hsv.hue = static_cast<std::uint8_t>(hsv.hue + steps);
    to_rgb(hsv, &image.pixels[i]);
  }
  return image;
}

}  // namespace conopa::image
