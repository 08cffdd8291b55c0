#include "conopa/image/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "conopa/core/error.h"
#include "conopa/image/geometry.h"
#include "image/alpha.h"
#include "image/resample.h"

namespace conopa::image {
namespace {

void check_request(const ImageView& image, std::int64_t width, std::int64_t height,
                   const Box& box) {
  constexpr std::int64_t kMaxPixels = std::int64_t{1} << 31;
  if (width < 1 || height < 1 || width > kMaxPixels / height) {
    throw ShapeError("resize", "expected a target of 1 to 2^31 pixels, got {}x{}", width, height);
  }
  // Written so that a NaN fails.
  const bool inside = box.left >= 0 && box.top >= 0 && box.right > box.left &&
                      box.bottom > box.top && box.right <= static_cast<float>(image.width) &&
                      box.bottom <= static_cast<float>(image.height);
  if (!inside) {
    throw ShapeError("resize", "box ({}, {}) to ({}, {}) is empty or not inside {}x{}", box.left,
                     box.top, box.right, box.bottom, image.width, image.height);
  }
}

Image resize_nearest(const ImageView& image, std::int64_t width, std::int64_t height,
                     const Box& box) {
  const AffineMatrix matrix = {
      static_cast<double>(box.right - box.left) / static_cast<double>(width),  0,      box.left, 0,
      static_cast<double>(box.bottom - box.top) / static_cast<double>(height), box.top};
  return affine(image, width, height, matrix, Filter::kNearest, Fill{});
}

/// Scales the rows of `image` to axis.size() pixels.
Image scale_width(const ImageView& image, const ResampleAxis& axis) {
  const ResampleKernels& kernels = resample_kernels();
  Image out(axis.size(), image.height, image.channels);
  // Kernels load whole registers, so rows are staged where reading past their end is allowed.
  const std::int64_t staged = image.row_bytes() + kRowSlack + axis.taps * image.channels;
  std::vector<std::uint8_t> stage(static_cast<std::size_t>(staged * kRowsAtOnce));
  std::vector<std::uint8_t> spare(static_cast<std::size_t>(axis.size() * image.channels));
  for (std::int64_t y = 0; y < image.height; y += kRowsAtOnce) {
    const std::uint8_t* sources[kRowsAtOnce];
    std::uint8_t* targets[kRowsAtOnce];
    for (std::int64_t r = 0; r < kRowsAtOnce; ++r) {
      std::uint8_t* row = stage.data() + r * staged;
      sources[r] = row;
      targets[r] = y + r < image.height ? out.row(y + r) : spare.data();
      if (y + r < image.height) {
        std::memcpy(row, image.row(y + r), static_cast<std::size_t>(image.row_bytes()));
      }
    }
    kernels.horizontal(axis.table(), image.channels, sources, targets);
  }
  return out;
}

/// Scales the columns of `image`; the axis counts rows from `first_row`.
Image scale_height(const ImageView& image, const ResampleAxis& axis, std::int64_t first_row) {
  const ResampleKernels& kernels = resample_kernels();
  Image out(image.width, axis.size(), image.channels);
  std::vector<const std::uint8_t*> sources(static_cast<std::size_t>(axis.taps));
  for (std::int64_t y = 0; y < axis.size(); ++y) {
    const std::int64_t first = axis.first[static_cast<std::size_t>(y)] - first_row;
    for (std::int64_t k = 0; k < axis.taps; ++k) {  // spare taps weigh nothing: any row will do
      sources[static_cast<std::size_t>(k)] = image.row(std::min(first + k, image.height - 1));
    }
    kernels.vertical(axis.weight.data() + y * axis.taps, axis.taps, sources.data(),
                     image.row_bytes(), out.row(y));
  }
  return out;
}

Image resample(const ImageView& image, std::int64_t width, std::int64_t height, Filter filter,
               const Box& box) {
  const bool scale_x =
      width != image.width || box.left != 0.0F || box.right != static_cast<float>(image.width);
  const bool scale_y =
      height != image.height || box.top != 0.0F || box.bottom != static_cast<float>(image.height);
  if (!scale_x && !scale_y) return Image(image);
  if (!scale_y) {
    return scale_width(image, make_resample_axis(image.width, box.left, box.right, width, filter,
                                                 horizontal_group(image.channels)));
  }
  const ResampleAxis rows =
      make_resample_axis(image.height, box.top, box.bottom, height, filter, 2);
  if (!scale_x) return scale_height(image, rows, 0);
  // Only the rows that the second pass reads are scaled in the first.
  const std::int64_t first = rows.first.front();
  const std::int64_t end = rows.first.back() + rows.count.back();
  const ResampleAxis columns = make_resample_axis(image.width, box.left, box.right, width, filter,
                                                  horizontal_group(image.channels));
  const Image narrow = scale_width(image.window(0, first, image.width, end - first), columns);
  return scale_height(narrow, rows, first);
}

}  // namespace

Image resize(const ImageView& image, std::int64_t width, std::int64_t height, Filter filter,
             const std::optional<Box>& box) {
  const Box whole{0, 0, static_cast<float>(image.width), static_cast<float>(image.height)};
  const Box part = box.value_or(whole);
  check_request(image, width, height, part);
  if (filter == Filter::kNearest) return resize_nearest(image, width, height, part);
  const bool same_size = width == image.width && height == image.height;
  const bool is_whole = part.left == 0.0F && part.top == 0.0F && part.right == whole.right &&
                        part.bottom == whole.bottom;
  if (same_size && is_whole) return Image(image);
  if (image.channels != 4) return resample(image, width, height, filter, part);
  return unpremultiplied(resample(premultiplied(image), width, height, filter, part));
}

Size size_for_short_side(Size size, std::int64_t short_side) {
  return size_to_cover(size, {short_side, short_side});
}

Size size_to_cover(Size size, Size target) {
  if (size.width * target.height <= size.height * target.width) {
    return {target.width, std::max(target.width * size.height / size.width, target.height)};
  }
  return {std::max(target.height * size.width / size.height, target.width), target.height};
}

Image center_crop_by_halving(const ImageView& image, std::int64_t side) {
  Image halved;
  ImageView current = image;
  while (std::min(current.width, current.height) >= 2 * side) {
    halved = resize(current, current.width / 2, current.height / 2, Filter::kBox);
    current = halved;
  }
  const double scale =
      static_cast<double>(side) / static_cast<double>(std::min(current.width, current.height));
  const auto scaled = [&](std::int64_t length) {
    return static_cast<std::int64_t>(std::nearbyint(static_cast<double>(length) * scale));
  };
  const Image fitted =
      resize(current, scaled(current.width), scaled(current.height), Filter::kBicubic);
  return crop(fitted, (fitted.width - side) / 2, (fitted.height - side) / 2, side, side);
}

}  // namespace conopa::image
