#include <algorithm>

#include "conopa/core/error.h"
#include "conopa/report/plot.h"

namespace conopa::report {
namespace {

/// Copies an image of any channel count into RGBA pixels.
void paste(const image::Image& source, image::Image& target, std::int64_t left, std::int64_t top) {
  const std::int64_t channels = source.channels;
  for (std::int64_t y = 0; y < source.height; ++y) {
    const std::uint8_t* from = source.row(y);
    std::uint8_t* to = target.row(top + y) + left * 4;
    for (std::int64_t x = 0; x < source.width; ++x, from += channels, to += 4) {
      to[0] = from[0];
      to[1] = from[channels >= 3 ? 1 : 0];
      to[2] = from[channels >= 3 ? 2 : 0];
      to[3] = channels == 4 ? from[3] : 255;
    }
  }
}

}  // namespace

image::Image image_grid(const std::vector<image::Image>& images, std::int64_t columns,
                        std::int64_t gap) {
  if (columns < 1 || gap < 0) {
    throw ConfigError("plot",
                      "expected at least 1 column and a gap of 0 or more, got {} and {}; "
                      "check the call",
                      columns, gap);
  }
  const auto count = static_cast<std::int64_t>(images.size());
  if (count == 0) return {};
  columns = std::min(columns, count);
  std::int64_t width = 0;
  std::int64_t height = 0;
  for (const image::Image& item : images) {
    width = std::max(width, item.width);
    height = std::max(height, item.height);
  }
  const std::int64_t rows = (count + columns - 1) / columns;
  image::Image grid(columns * (width + gap) - gap, rows * (height + gap) - gap, 4);
  for (std::int64_t i = 0; i < count; ++i) {
    const image::Image& item = images[static_cast<std::size_t>(i)];
    paste(item, grid, i % columns * (width + gap) + (width - item.width) / 2,
          i / columns * (height + gap) + (height - item.height) / 2);
  }
  return grid;
}

}  // namespace conopa::report
