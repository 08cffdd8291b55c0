#include "image/normalize.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace conopa::image {

Image placed(const ImageView& image, const Placement& placement, std::int64_t width,
             std::int64_t height) {
  Image out(width, height, image.channels);
  const std::int64_t begin = std::clamp(-placement.left, std::int64_t{0}, width);
  const std::int64_t end = std::clamp(image.width - placement.left, begin, width);
  for (std::int64_t y = 0; y < height && begin < end; ++y) {
    const std::int64_t source_y = placement.top + y;
    if (source_y < 0 || source_y >= image.height) continue;
    std::memcpy(out.row(y) + begin * image.channels,
                image.row(source_y) + (placement.left + begin) * image.channels,
                static_cast<std::size_t>((end - begin) * image.channels));
  }
  if (placement.flip_x) out = flip_horizontal(out);
  if (placement.flip_y) out = flip_vertical(out);
  return out;
}

Normalizer::Normalizer(std::int64_t channels, const std::vector<double>& mean,
                       const std::vector<double>& std)
    : tables_(static_cast<std::size_t>(channels)) {
  for (std::size_t c = 0; c < tables_.size(); ++c) {
    const auto center = static_cast<float>(mean.size() == 1 ? mean[0] : mean[c]);
    const auto spread = static_cast<float>(std.size() == 1 ? std[0] : std[c]);
    for (std::size_t v = 0; v < 256; ++v) {
      tables_[c][v] = (static_cast<float>(v) / 255.0F - center) / spread;
    }
  }
}

void Normalizer::write(const ImageView& image, const Placement& placement, std::int64_t height,
                       std::int64_t width, std::span<float> out) const {
  // The columns of the window that lie on the image, counted in the window before mirroring.
  const std::int64_t begin = std::clamp(-placement.left, std::int64_t{0}, width);
  const std::int64_t end = std::clamp(image.width - placement.left, begin, width);
  const std::int64_t first = placement.flip_x ? width - end : begin;
  const std::int64_t count = end - begin;
  const std::int64_t channels = image.channels;
  const std::int64_t step = placement.flip_x ? -channels : channels;
  for (std::int64_t c = 0; c < channels; ++c) {
    const float* table = tables_[static_cast<std::size_t>(c)].data();
    float* target = out.data() + c * height * width;
    for (std::int64_t y = 0; y < height; ++y, target += width) {
      const std::int64_t source_y = placement.top + (placement.flip_y ? height - 1 - y : y);
      if (source_y < 0 || source_y >= image.height || count == 0) {
        std::fill_n(target, width, table[0]);
        continue;
      }
      std::fill_n(target, first, table[0]);
      const std::int64_t start = placement.left + (placement.flip_x ? end - 1 : begin);
      const std::uint8_t* source = image.row(source_y) + start * channels + c;
      for (std::int64_t i = 0; i < count; ++i, source += step) target[first + i] = table[*source];
      std::fill_n(target + first + count, width - first - count, table[0]);
    }
  }
}

}  // namespace conopa::image
