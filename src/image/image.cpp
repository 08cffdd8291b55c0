#include "conopa/image/image.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "conopa/core/error.h"

namespace conopa::image {
namespace {

constexpr std::int64_t kMaxSide = std::int64_t{1} << 31;
constexpr std::int64_t kMaxSamples = std::int64_t{1} << 40;

void check_dimensions(std::int64_t width, std::int64_t height, std::int64_t channels) {
  const bool known = channels == 1 || channels == 3 || channels == 4;
  if (width < 1 || height < 1 || width > kMaxSide || height > kMaxSide || !known ||
      width > kMaxSamples / height / channels) {
    throw ShapeError("image", "expected positive sides and 1, 3 or 4 channels, got {}x{}x{}", width,
                     height, channels);
  }
}

std::size_t sample_count(std::int64_t width, std::int64_t height, std::int64_t channels) {
  check_dimensions(width, height, channels);
  return static_cast<std::size_t>(width * height * channels);
}

/// Copies pixels from `origin`, whose neighbours to the right and below in the result lie step_x
/// and step_y bytes away: every flip, quarter turn and transposition is such a walk.
Image walk(const std::uint8_t* origin, std::int64_t step_x, std::int64_t step_y, std::int64_t width,
           std::int64_t height, std::int64_t channels) {
  Image out(width, height, channels);
  std::uint8_t* target = out.pixels.data();
  for (std::int64_t y = 0; y < height; ++y) {
    const std::uint8_t* source = origin + y * step_y;
    for (std::int64_t x = 0; x < width; ++x, source += step_x, target += channels) {
      std::memcpy(target, source, static_cast<std::size_t>(channels));
    }
  }
  return out;
}

const std::uint8_t* pixel(const ImageView& image, std::int64_t x, std::int64_t y) {
  return image.row(y) + x * image.channels;
}

Image transpose(const ImageView& image) {
  return walk(image.data, image.stride, image.channels, image.height, image.width, image.channels);
}

/// Reflection without repeating the edge: -1 → 1, size → size - 2.
std::int64_t reflect(std::int64_t position, std::int64_t size) {
  if (position < 0) return -position;
  return position < size ? position : 2 * size - 2 - position;
}

void check_border(const ImageView& image, const Border& border, PadMode mode) {
  const auto [low, high] = std::minmax({border.left, border.top, border.right, border.bottom});
  const bool reflects =
      mode == PadMode::kConstant || (std::max(border.left, border.right) < image.width &&
                                     std::max(border.top, border.bottom) < image.height);
  if (low < 0 || high > kMaxSide || !reflects) {
    throw ShapeError("image pad", "border {},{},{},{} does not suit an image of {}x{}{}",
                     border.left, border.top, border.right, border.bottom, image.width,
                     image.height, reflects ? "" : "; a mirrored border must be narrower than it");
  }
}

}  // namespace

ImageView::ImageView(std::span<const std::uint8_t> pixels, std::int64_t view_width,
                     std::int64_t view_height, std::int64_t view_channels)
    : data(pixels.data()),
      width(view_width),
      height(view_height),
      channels(view_channels),
      stride(view_width * view_channels) {
  if (pixels.size() != sample_count(width, height, channels)) {
    throw ShapeError("image", "expected {}x{}x{} bytes, got {}", width, height, channels,
                     pixels.size());
  }
}

ImageView ImageView::window(std::int64_t left, std::int64_t top, std::int64_t window_width,
                            std::int64_t window_height) const {
  if (left < 0 || top < 0 || window_width < 1 || window_height < 1 || left > width - window_width ||
      top > height - window_height) {
    throw ShapeError("image crop", "window {}x{} at ({}, {}) is not inside {}x{}", window_width,
                     window_height, left, top, width, height);
  }
  ImageView out = *this;
  out.data = pixel(*this, left, top);
  out.width = window_width;
  out.height = window_height;
  return out;
}

Image::Image(std::int64_t image_width, std::int64_t image_height, std::int64_t image_channels)
    : width(image_width),
      height(image_height),
      channels(image_channels),
      pixels(sample_count(image_width, image_height, image_channels)) {}

Image::Image(const ImageView& view) : Image(view.width, view.height, view.channels) {
  for (std::int64_t y = 0; y < height; ++y) {
    std::memcpy(row(y), view.row(y), static_cast<std::size_t>(view.row_bytes()));
  }
}

Image to_rgb(const ImageView& image) {
  if (image.channels == 3) return Image(image);
  Image out(image.width, image.height, 3);
  for (std::int64_t y = 0; y < image.height; ++y) {
    const std::uint8_t* source = image.row(y);
    std::uint8_t* target = out.row(y);
    for (std::int64_t x = 0; x < image.width; ++x) {
      for (std::int64_t c = 0; c < 3; ++c) {
        target[3 * x + c] = image.channels == 1 ? source[x] : source[4 * x + c];
      }
    }
  }
  return out;
}

Image to_gray(const ImageView& image) {
  if (image.channels == 1) return Image(image);
  Image out(image.width, image.height, 1);
  for (std::int64_t y = 0; y < image.height; ++y) {
    const std::uint8_t* source = image.row(y);
    std::uint8_t* target = out.row(y);
    for (std::int64_t x = 0; x < image.width; ++x, source += image.channels) {
      const std::uint32_t luma =
          source[0] * 19595U + source[1] * 38470U + source[2] * 7471U + 0x8000U;
      target[x] = static_cast<std::uint8_t>(luma >> 16);
    }
  }
  return out;
}

Image to_channels(const ImageView& image, std::int64_t channels) {
  if (channels == 1) return to_gray(image);
  if (channels == 3) return to_rgb(image);
  throw ShapeError("image", "expected 1 or 3 channels to convert to, got {}", channels);
}

Image crop(const ImageView& image, std::int64_t left, std::int64_t top, std::int64_t width,
           std::int64_t height) {
  return Image(image.window(left, top, width, height));
}

Image pad(const ImageView& image, const Border& border, PadMode mode, std::uint8_t fill) {
  check_border(image, border, mode);
  Image out(image.width + border.left + border.right, image.height + border.top + border.bottom,
            image.channels);
  if (mode == PadMode::kConstant) {
    if (fill != 0) std::fill(out.pixels.begin(), out.pixels.end(), fill);
    for (std::int64_t y = 0; y < image.height; ++y) {
      std::memcpy(out.row(y + border.top) + border.left * image.channels, image.row(y),
                  static_cast<std::size_t>(image.row_bytes()));
    }
    return out;
  }
  for (std::int64_t y = 0; y < out.height; ++y) {
    const std::int64_t source_y = reflect(y - border.top, image.height);
    std::uint8_t* target = out.row(y);
    for (std::int64_t x = 0; x < out.width; ++x, target += image.channels) {
      std::memcpy(target, pixel(image, reflect(x - border.left, image.width), source_y),
                  static_cast<std::size_t>(image.channels));
    }
  }
  return out;
}

Image flip_horizontal(const ImageView& image) {
  return walk(pixel(image, image.width - 1, 0), -image.channels, image.stride, image.width,
              image.height, image.channels);
}

Image flip_vertical(const ImageView& image) {
  return walk(image.row(image.height - 1), image.channels, -image.stride, image.width, image.height,
              image.channels);
}

Image rotate_quarter(const ImageView& image, int turns) {
  switch (((turns % 4) + 4) % 4) {
    case 1:
      return walk(pixel(image, image.width - 1, 0), image.stride, -image.channels, image.height,
                  image.width, image.channels);
    case 2:
      return walk(pixel(image, image.width - 1, image.height - 1), -image.channels, -image.stride,
                  image.width, image.height, image.channels);
    case 3:
      return walk(image.row(image.height - 1), -image.stride, image.channels, image.height,
                  image.width, image.channels);
    default:
      return Image(image);
  }
}

Image apply_orientation(Image image, int orientation) {
  switch (orientation) {
    case 2:
      return flip_horizontal(image);
    case 3:
      return rotate_quarter(image, 2);
    case 4:
      return flip_vertical(image);
    case 5:
      return transpose(image);
    case 6:
      return rotate_quarter(image, 3);
    case 7:
      return rotate_quarter(transpose(image), 2);
    case 8:
      return rotate_quarter(image, 1);
    default:
      return image;
  }
}

}  // namespace conopa::image
