#include "conopa/report/feature_rgb.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "conopa/core/error.h"
#include "conopa/image/resize.h"

namespace conopa::report {
namespace {

constexpr double kTail = 0.02;  // share of the values that is cut off at either end
constexpr std::size_t kColours = 3;

/// Ends of what is shown of a component.
struct Range {
  float low = 0;
  float high = 0;

  [[nodiscard]] std::uint8_t level(float value) const noexcept {
    if (!(high > low)) return 128;
    return static_cast<std::uint8_t>(
        std::lround(255.0F * std::clamp((value - low) / (high - low), 0.0F, 1.0F)));
  }
};

Range range_of(std::span<const float> components, std::size_t colour) {
  std::vector<float> values;
  for (std::size_t i = colour; i < components.size(); i += kColours)
    values.push_back(components[i]);
  std::ranges::sort(values);
  const auto cut = static_cast<std::size_t>(kTail * static_cast<double>(values.size()));
  return {values[cut], values[values.size() - 1 - cut]};
}

void check(const FeatureMaps& maps, std::int64_t width, std::int64_t height) {
  if (maps.images < 1 || maps.rows < 1 || maps.cols < 1 || width < 1 || height < 1 ||
      std::ssize(maps.components) != maps.images * maps.rows * maps.cols * 3) {
    throw ShapeError("feature_rgb",
                     "expected [{}, {}x{}, 3] components for pictures of {}x{} px, got {} values",
                     maps.images, maps.rows, maps.cols, width, height, maps.components.size());
  }
  if (!std::ranges::all_of(maps.components, [](float x) { return std::isfinite(x); })) {
    throw FormatError("feature_rgb", "expected finite components, found NaN or infinity");
  }
}

}  // namespace

std::vector<image::Image> feature_rgb(const FeatureMaps& maps, std::int64_t width,
                                      std::int64_t height) {
  check(maps, width, height);
  std::array<Range, kColours> ranges;
  for (std::size_t colour = 0; colour < kColours; ++colour) {
    ranges[colour] = range_of(maps.components, colour);
  }
  const auto size = static_cast<std::size_t>(maps.rows * maps.cols) * kColours;
  std::vector<image::Image> out;
  for (std::size_t i = 0; i < static_cast<std::size_t>(maps.images); ++i) {
    const std::span<const float> values = maps.components.subspan(i * size, size);
    image::Image small(maps.cols, maps.rows, 3);
    for (std::size_t k = 0; k < size; ++k) {
      small.pixels[k] = ranges[k % kColours].level(values[k]);
    }
    out.push_back(image::resize(small, width, height, image::Filter::kNearest));
  }
  return out;
}

}  // namespace conopa::report
