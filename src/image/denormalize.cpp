#include "conopa/image/denormalize.h"

#include <algorithm>
#include <cmath>

#include "conopa/core/error.h"

namespace conopa::image {

Image denormalize(const HostTensor& tensor, const std::vector<double>& mean,
                  const std::vector<double>& std) {
  const Shape& shape = tensor.shape();
  if (shape.size() != 3 || (shape[0] != 1 && shape[0] != 3)) {
    throw ShapeError("picture", "expected [1 or 3, H, W], found {}", to_string(shape));
  }
  Image out(shape[2], shape[1], shape[0]);
  const std::span<const float> values = tensor.data<float>();
  const std::size_t plane = static_cast<std::size_t>(shape[1] * shape[2]);
  const auto channels = static_cast<std::size_t>(shape[0]);
  for (std::size_t c = 0; c < channels; ++c) {
    const double m = mean[std::min(c, mean.size() - 1)];
    const double s = std[std::min(c, std.size() - 1)];
    for (std::size_t i = 0; i < plane; ++i) {
      const double sample = 255.0 * (static_cast<double>(values[c * plane + i]) * s + m);
      // A NaN of a broken model becomes black: clamp would let it through.
      const double cut = sample > 0.0 ? std::min(sample, 255.0) : 0.0;
      out.pixels[i * channels + c] = static_cast<std::uint8_t>(std::nearbyint(cut));
    }
  }
  return out;
}

}  // namespace conopa::image
