#pragma once

#include <cstdint>
#include <span>

#include "conopa/core/rng.h"
#include "conopa/image/transform.h"

namespace conopa::image {

struct RandomErasingOptions {
  double probability = 0.25;
  EraseMode mode = EraseMode::kPixel;
  std::int64_t max_count = 1;  ///< blocks per image, 1 to max_count
  double area_min = 0.02;      ///< share of the image that the blocks cover together
  double area_max = 1.0 / 3.0;
  double aspect_min = 0.3;  ///< height / width from here to its inverse
};

/// Overwrites random blocks of a normalised image in place.
///
/// @param values  [channels, height, width], float32.
/// @throws ShapeError if `values` has another length.
/// @source timm 0.5.4 RandomErasing; Zhong et al., arXiv 1708.04896.
void random_erase(std::span<float> values, std::int64_t channels, std::int64_t height,
                  std::int64_t width, const RandomErasingOptions& options, Rng& rng);

}  // namespace conopa::image
