#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "conopa/data/dataset.h"
#include "conopa/image/transform.h"

namespace conopa::app {

/// How patches are drawn from a dataset.
struct PatchSampling {
  std::int64_t patch = 4;
  std::int64_t sample = 200'000;  ///< patches wanted
  std::int64_t seed = 0;
};

/// Patches out of a dataset.
struct PatchSample {
  std::vector<float> patches;  ///< [M, P·P·C], pixels in the order (row, column, channel)
  std::int64_t images = 0;     ///< that were read
};

/// Draws patches evenly over the images: as few as needed of every image, different ones at random
/// places, and of no more images than needed, drawn at random; all patches if there are no more
/// than wanted. A function of the dataset, the transform and the sampling alone.
/// @throws ConfigError if the patch does not divide the transform's size; what decoding throws.
[[nodiscard]] PatchSample draw_patches(
    const std::shared_ptr<const data::Dataset>& dataset,
    const image::EvalTransformOptions& transform, const PatchSampling& sampling,
    const std::function<void(std::int64_t done, std::int64_t total)>& progress);

}  // namespace conopa::app
