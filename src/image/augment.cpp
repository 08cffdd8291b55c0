#include "conopa/image/augment.h"

#include <algorithm>
#include <cmath>

#include "conopa/image/ops.h"

namespace conopa::image {
namespace {

std::int64_t rounded(double value) { return static_cast<std::int64_t>(std::nearbyint(value)); }

/// The largest central window whose ratio is allowed.
Window central_window(Size size, const WindowRange& range) {
  const double ratio = static_cast<double>(size.width) / static_cast<double>(size.height);
  Window window{0, 0, size.width, size.height};
  if (ratio < range.ratio_min) {
    window.height = rounded(static_cast<double>(size.width) / range.ratio_min);
  } else if (ratio > range.ratio_max) {
    window.width = rounded(static_cast<double>(size.height) * range.ratio_max);
  }
  window.width = std::clamp(window.width, std::int64_t{1}, size.width);
  window.height = std::clamp(window.height, std::int64_t{1}, size.height);
  window.left = (size.width - window.width) / 2;
  window.top = (size.height - window.height) / 2;
  return window;
}

double factor(double range, Rng& rng) {
  return rng.uniform(std::max(0.0, 1.0 - range), 1.0 + range);
}

}  // namespace

Image three_augment(Image image, Rng& rng) {
  switch (rng.below(3)) {
    case 0:
      return grayscale(std::move(image));
    case 1:
      return solarize(std::move(image));
    default:
      return gaussian_blur(std::move(image), rng.uniform(0.1, 2.0));
  }
}

Image color_jitter(Image image, const ColorJitter& jitter, Rng& rng) {
  const std::vector<std::int64_t> order = rng.permutation(4);
  const double brightness = factor(jitter.brightness, rng);
  const double contrast = factor(jitter.contrast, rng);
  const double saturation = factor(jitter.saturation, rng);
  const double hue = rng.uniform(-jitter.hue, jitter.hue);
  for (const std::int64_t which : order) {
    if (which == 0 && jitter.brightness > 0.0) {
      image = adjust_brightness(std::move(image), brightness);
    } else if (which == 1 && jitter.contrast > 0.0) {
      image = adjust_contrast(std::move(image), contrast);
    } else if (which == 2 && jitter.saturation > 0.0) {
      image = adjust_color(std::move(image), saturation);
    } else if (which == 3 && jitter.hue > 0.0) {
      image = adjust_hue(std::move(image), hue);
    }
  }
  return image;
}

Window random_resized_window(Size size, const WindowRange& range, Rng& rng) {
  constexpr int kTries = 10;
  const double area = static_cast<double>(size.width) * static_cast<double>(size.height);
  const double log_low = std::log(range.ratio_min);
  const double log_high = std::log(range.ratio_max);
  for (int i = 0; i < kTries; ++i) {
    const double target = rng.uniform(range.scale_min, range.scale_max) * area;
    const double ratio = std::exp(rng.uniform(log_low, log_high));
    const std::int64_t width = rounded(std::sqrt(target * ratio));
    const std::int64_t height = rounded(std::sqrt(target / ratio));
    if (width < 1 || height < 1 || width > size.width || height > size.height) continue;
    const std::int64_t top = rng.below(size.height - height + 1);
    const std::int64_t left = rng.below(size.width - width + 1);
    return {left, top, width, height};
  }
  return central_window(size, range);
}

}  // namespace conopa::image
