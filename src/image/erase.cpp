#include "conopa/image/erase.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "conopa/core/error.h"

namespace conopa::image {
namespace {

/// Fills with independent standard normal values, two per Box-Muller step.
void fill_normal(float* values, std::int64_t count, Rng& rng) {
  for (std::int64_t i = 0; i < count; i += 2) {
    constexpr float kUnit = 0x1.0p-24F;
    // (0, 1], so that the logarithm is finite.
    const float u = (static_cast<float>(rng.next_u32() >> 8) + 1.0F) * kUnit;
    const float turn = static_cast<float>(rng.next_u32() >> 8) * kUnit;
    const float radius = std::sqrt(-2.0F * std::log(u));
    const float angle = 2.0F * std::numbers::pi_v<float> * turn;
    values[i] = radius * std::cos(angle);
    if (i + 1 < count) values[i + 1] = radius * std::sin(angle);
  }
}

/// Overwrites rows top.. of one channel plane; `noise` is drawn per value in kPixel mode.
void erase_block(float* block, std::int64_t rows, std::int64_t columns, std::int64_t stride,
                 EraseMode mode, Rng& rng) {
  float colour = 0.0F;
  if (mode == EraseMode::kRand) fill_normal(&colour, 1, rng);
  for (std::int64_t y = 0; y < rows; ++y) {
    if (mode == EraseMode::kPixel) {
      fill_normal(block + y * stride, columns, rng);
    } else {
      std::fill_n(block + y * stride, columns, colour);
    }
  }
}

}  // namespace

void random_erase(std::span<float> values, std::int64_t channels, std::int64_t height,
                  std::int64_t width, const RandomErasingOptions& options, Rng& rng) {
  if (static_cast<std::int64_t>(values.size()) != channels * height * width) {
    throw ShapeError("random_erase", "expected {}x{}x{} values, got {}", channels, height, width,
                     values.size());
  }
  if (!rng.bernoulli(options.probability)) return;
  constexpr int kTries = 10;
  const std::int64_t count = options.max_count > 1 ? 1 + rng.below(options.max_count) : 1;
  const double area = static_cast<double>(height) * static_cast<double>(width);
  const double log_aspect = std::log(options.aspect_min);
  for (std::int64_t block = 0; block < count; ++block) {
    for (int i = 0; i < kTries; ++i) {
      const double target =
          rng.uniform(options.area_min, options.area_max) * area / static_cast<double>(count);
      const double aspect = std::exp(rng.uniform(log_aspect, -log_aspect));
      const auto rows = static_cast<std::int64_t>(std::nearbyint(std::sqrt(target * aspect)));
      const auto columns = static_cast<std::int64_t>(std::nearbyint(std::sqrt(target / aspect)));
      if (rows >= height || columns >= width) continue;
      const std::int64_t top = rng.below(height - rows + 1);
      const std::int64_t left = rng.below(width - columns + 1);
      for (std::int64_t c = 0; c < channels; ++c) {
        erase_block(values.data() + (c * height + top) * width + left, rows, columns, width,
                    options.mode, rng);
      }
      break;
    }
  }
}

}  // namespace conopa::image
