#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "conopa/core/error.h"
#include "conopa/image/ops.h"
#include "image/sample_table.h"

namespace conopa::image {
namespace {

constexpr int kPasses = 3;

/// A box of 2 * radius + 1 whole pixels and a weaker one at either end; weights have 24
/// fractional bits.
struct BoxKernel {
  std::int64_t radius = 0;
  std::uint32_t whole = 0;
  std::uint32_t edge = 0;

  [[nodiscard]] std::uint8_t value(std::uint32_t inside, std::uint32_t ends) const {
    return static_cast<std::uint8_t>((inside * whole + ends * edge + (1U << 23)) >> 24);
  }
};

/// Radius of the box whose kPasses-fold use has the variance of the Gaussian.
float box_radius(float sigma) {
  const float variance = sigma * sigma / static_cast<float>(kPasses);
  const auto ideal = static_cast<float>(std::sqrt(12.0 * variance + 1.0));
  const auto whole = static_cast<float>(std::floor((ideal - 1.0) / 2.0));
  float part = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance);
  part /= 6 * (variance - (whole + 1) * (whole + 1));
  return whole + part;
}

BoxKernel make_kernel(float radius) {
  BoxKernel kernel;
  kernel.radius = static_cast<std::int64_t>(radius);
  kernel.whole = static_cast<std::uint32_t>(static_cast<float>(1 << 24) / (radius * 2 + 1));
  kernel.edge = ((1U << 24) - static_cast<std::uint32_t>(kernel.radius * 2 + 1) * kernel.whole) / 2;
  return kernel;
}

/// One pass along a row of interleaved pixels; edge pixels repeat.
template <std::int64_t kChannels>
void blur_row(const BoxKernel& kernel, const std::uint8_t* source, std::int64_t width,
              std::uint8_t* target) {
  const std::int64_t r = kernel.radius;
  const auto at = [&](std::int64_t x) {
    return source + std::clamp(x, std::int64_t{0}, width - 1) * kChannels;
  };
  std::uint32_t inside[kChannels] = {};
  for (std::int64_t x = -r; x <= r; ++x) {
    for (std::int64_t c = 0; c < kChannels; ++c) inside[c] += at(x)[c];
  }
  for (std::int64_t x = 0; x < width; ++x) {
    const std::uint8_t* left = at(x - r - 1);
    const std::uint8_t* right = at(x + r + 1);
    const std::uint8_t* leaving = at(x - r);
    for (std::int64_t c = 0; c < kChannels; ++c) {
      target[x * kChannels + c] =
          kernel.value(inside[c], static_cast<std::uint32_t>(left[c] + right[c]));
      inside[c] += static_cast<std::uint32_t>(right[c] - leaving[c]);
    }
  }
}

void blur_rows(const BoxKernel& kernel, Image& image) {
  std::vector<std::uint8_t> line(static_cast<std::size_t>(image.width * image.channels));
  const auto pass = image.channels == 1 ? blur_row<1> : blur_row<3>;
  for (std::int64_t y = 0; y < image.height; ++y) {
    for (int i = 0; i < kPasses; ++i) {
      pass(kernel, image.row(y), image.width, line.data());
      std::memcpy(image.row(y), line.data(), line.size());
    }
  }
}

/// One pass along all columns at once, with a running sum per column.
Image blur_columns(const BoxKernel& kernel, const Image& image) {
  Image out(image.width, image.height, image.channels);
  const std::int64_t r = kernel.radius;
  const std::int64_t samples = image.width * image.channels;
  const auto at = [&](std::int64_t y) {
    return image.row(std::clamp(y, std::int64_t{0}, image.height - 1));
  };
  std::vector<std::uint32_t> sums(static_cast<std::size_t>(samples));
  std::uint32_t* inside = sums.data();
  for (std::int64_t y = -r; y <= r; ++y) {
    const std::uint8_t* row = at(y);
    for (std::int64_t i = 0; i < samples; ++i) inside[i] += row[i];
  }
  for (std::int64_t y = 0; y < image.height; ++y) {
    const std::uint8_t* above = at(y - r - 1);
    const std::uint8_t* below = at(y + r + 1);
    const std::uint8_t* leaving = at(y - r);
    std::uint8_t* target = out.row(y);
    for (std::int64_t i = 0; i < samples; ++i) {
      target[i] = kernel.value(inside[i], static_cast<std::uint32_t>(above[i] + below[i]));
      inside[i] += static_cast<std::uint32_t>(below[i] - leaving[i]);
    }
  }
  return out;
}

}  // namespace

Image gaussian_blur(Image image, double radius) {
  require_opaque(image, "gaussian_blur");
  if (!(radius >= 0.0 && radius <= 1000.0)) {
    throw ConfigError("gaussian_blur", "radius must be 0 to 1000 pixels, got {}", radius);
  }
  const BoxKernel kernel = make_kernel(box_radius(static_cast<float>(radius)));
  blur_rows(kernel, image);
  for (int i = 0; i < kPasses; ++i) image = blur_columns(kernel, image);
  return image;
}

}  // namespace conopa::image
