#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "conopa/image/image.h"

namespace conopa::image {

/// Where a window lies on an image and whether it is mirrored afterwards.
struct Placement {
  std::int64_t left = 0;  ///< may be negative: what lies outside the image is black
  std::int64_t top = 0;
  bool flip_x = false;
  bool flip_y = false;
};

/// Copies a window.
[[nodiscard]] Image placed(const ImageView& image, const Placement& placement, std::int64_t width,
                           std::int64_t height);

/// Turns 8-bit samples into (v / 255 - mean) / std, rounded as torch does it in float32, by one
/// table per channel.
class Normalizer {
 public:
  /// @param mean, std  one value, or one per channel.
  Normalizer(std::int64_t channels, const std::vector<double>& mean,
             const std::vector<double>& std);

  /// Writes a window of the image as [C, height, width]. No allocation.
  void write(const ImageView& image, const Placement& placement, std::int64_t height,
             std::int64_t width, std::span<float> out) const;

 private:
  std::vector<std::array<float, 256>> tables_;
};

}  // namespace conopa::image
