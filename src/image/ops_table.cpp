// Operations that map each sample value to another one.

#include <algorithm>
#include <array>
#include <cstdint>

#include "conopa/core/error.h"
#include "conopa/image/ops.h"
#include "image/sample_table.h"

namespace conopa::image {
namespace {

using Histogram = std::array<std::int64_t, 256>;

Histogram histogram(const Image& image, std::int64_t channel) {
  // Several counters per value, so that runs of one value do not wait for each other.
  std::array<std::array<std::uint32_t, 256>, 4> parts{};
  Histogram counts{};
  const std::size_t step = static_cast<std::size_t>(image.channels);
  std::size_t pending = 0;
  const auto flush = [&] {
    for (auto& part : parts) {
      for (std::size_t v = 0; v < 256; ++v) counts[v] += part[v];
      part.fill(0);
    }
    pending = 0;
  };
  for (std::size_t i = static_cast<std::size_t>(channel); i < image.pixels.size(); i += step) {
    ++parts[pending % 4][image.pixels[i]];
    if (++pending == UINT32_MAX) flush();
  }
  flush();
  return counts;
}

SampleTable stretch_table(const Histogram& counts) {
  const auto used = [](std::int64_t count) { return count != 0; };
  const auto low = std::find_if(counts.begin(), counts.end(), used) - counts.begin();
  const auto high = 255 - (std::find_if(counts.rbegin(), counts.rend(), used) - counts.rbegin());
  if (high <= low) return make_table([](int v) { return v; });
  const double scale = 255.0 / static_cast<double>(high - low);
  const double offset = static_cast<double>(-low) * scale;
  return make_table(
      [&](int v) { return std::clamp(static_cast<int>(v * scale + offset), 0, 255); });
}

SampleTable equalize_table(const Histogram& counts) {
  std::int64_t total = 0;
  std::int64_t last = 0;
  std::int64_t kinds = 0;
  for (const std::int64_t count : counts) {
    total += count;
    if (count != 0) {
      last = count;
      ++kinds;
    }
  }
  const std::int64_t step = (total - last) / 255;
  if (kinds <= 1 || step == 0) return make_table([](int v) { return v; });
  std::int64_t reached = step / 2;
  return make_table([&](int v) {
    const std::int64_t value = std::min(reached / step, std::int64_t{255});
    reached += counts[static_cast<std::size_t>(v)];
    return value;
  });
}

Image per_channel(Image image, SampleTable (*make)(const Histogram&)) {
  for (std::int64_t c = 0; c < image.channels; ++c) {
    const SampleTable table = make(histogram(image, c));
    const std::size_t step = static_cast<std::size_t>(image.channels);
    for (std::size_t i = static_cast<std::size_t>(c); i < image.pixels.size(); i += step) {
      image.pixels[i] = table[image.pixels[i]];
    }
  }
  return image;
}

}  // namespace

void require_opaque(const ImageView& image, const char* operation) {
  if (image.channels == 1 || image.channels == 3) return;
  throw ShapeError(operation, "expected a gray or RGB image, got {} channels; convert it first",
                   image.channels);
}

Image apply_table(Image image, const SampleTable& table) {
  for (std::uint8_t& sample : image.pixels) sample = table[sample];
  return image;
}

Image invert(Image image) {
  require_opaque(image, "invert");
  return apply_table(std::move(image), make_table([](int v) { return 255 - v; }));
}

Image autocontrast(Image image) {
  require_opaque(image, "autocontrast");
  return per_channel(std::move(image), stretch_table);
}

Image equalize(Image image) {
  require_opaque(image, "equalize");
  return per_channel(std::move(image), equalize_table);
}

Image posterize(Image image, int bits) {
  require_opaque(image, "posterize");
  if (bits < 0 || bits > 8) throw ConfigError("posterize", "bits must be 0 to 8, got {}", bits);
  const int mask = ~((1 << (8 - bits)) - 1);
  return apply_table(std::move(image), make_table([&](int v) { return v & mask; }));
}

Image solarize(Image image, int threshold) {
  require_opaque(image, "solarize");
  return apply_table(std::move(image),
                     make_table([&](int v) { return v < threshold ? v : 255 - v; }));
}

Image solarize_add(Image image, int addend, int threshold) {
  require_opaque(image, "solarize_add");
  return apply_table(std::move(image), make_table([&](int v) {
                       return v < threshold ? std::clamp(v + addend, 0, 255) : v;
                     }));
}

}  // namespace conopa::image
