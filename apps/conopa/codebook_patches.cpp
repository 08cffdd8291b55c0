#include "codebook_patches.h"

#include <algorithm>
#include <optional>
#include <span>

#include "conopa/core/error.h"
#include "conopa/core/rng.h"
#include "conopa/data/loader.h"
#include "conopa/data/subset.h"

namespace conopa::app {
namespace {

constexpr std::int64_t kBatch = 128;
// Epochs of the random streams: which images, and which patches of an image.
constexpr std::uint64_t kImages = 1;
constexpr std::uint64_t kPatches = 2;

/// Patches on an image of the transform's size.
struct Grid {
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t channels = 0;
  std::int64_t patch = 0;

  [[nodiscard]] std::int64_t count() const noexcept { return rows * cols; }
};

Grid grid_of(const image::EvalTransformOptions& transform, std::int64_t patch) {
  if (transform.height % patch != 0 || transform.width % patch != 0) {
    throw ConfigError("--patch", "expected a patch that divides {}x{} pixels, got {}",
                      transform.height, transform.width, patch);
  }
  return {transform.height / patch, transform.width / patch, transform.channels, patch};
}

std::vector<std::int64_t> draw(std::int64_t count, std::int64_t of, Rng rng) {
  std::vector<std::int64_t> out = rng.permutation(of);
  out.resize(static_cast<std::size_t>(count));
  std::ranges::sort(out);
  return out;
}

// Appends one patch of an image [C, H, W].
void cut(std::span<const float> image, const Grid& grid, std::int64_t number,
         std::vector<float>& out) {
  const std::int64_t height = grid.rows * grid.patch;
  const std::int64_t width = grid.cols * grid.patch;
  const std::int64_t top = number / grid.cols * grid.patch;
  const std::int64_t left = number % grid.cols * grid.patch;
  for (std::int64_t y = top; y < top + grid.patch; ++y) {
    for (std::int64_t x = left; x < left + grid.patch; ++x) {
      for (std::int64_t c = 0; c < grid.channels; ++c) {
        out.push_back(image[static_cast<std::size_t>((c * height + y) * width + x)]);
      }
    }
  }
}

}  // namespace

PatchSample draw_patches(const std::shared_ptr<const data::Dataset>& dataset,
                         const image::EvalTransformOptions& transform,
                         const PatchSampling& sampling,
                         const std::function<void(std::int64_t, std::int64_t)>& progress) {
  const Grid grid = grid_of(transform, sampling.patch);
  const std::int64_t all = dataset->size();
  const auto seed = static_cast<std::uint64_t>(sampling.seed);
  const std::int64_t each =
      std::clamp<std::int64_t>((sampling.sample + all - 1) / all, 1, grid.count());
  PatchSample out;
  out.images = std::min(all, (sampling.sample + each - 1) / each);
  const std::vector<std::int64_t> places =
      draw(out.images, all, Rng(seed, RngPurpose::kClusters, kImages));
  data::Loader loader(
      std::make_shared<data::Subset>(dataset, places), image::make_eval_transform(transform),
      data::Sampler({.order = data::SampleOrder::kSequential}, out.images), {.batch = kBatch});
  const std::int64_t dims = grid.patch * grid.patch * grid.channels;
  out.patches.reserve(static_cast<std::size_t>(out.images * each * dims));
  std::int64_t done = 0;
  loader.begin_epoch(0);
  while (const std::optional<data::Batch> batch = loader.next()) {
    for (std::int64_t b = 0; b < batch->size(); ++b, ++done) {
      const HostTensor image = batch->images.rows(b, 1);
      const auto place = static_cast<std::uint64_t>(places[static_cast<std::size_t>(done)]);
      for (const std::int64_t number :
           draw(each, grid.count(), Rng(seed, RngPurpose::kClusters, kPatches, place))) {
        cut(image.data<float>(), grid, number, out.patches);
      }
    }
    if (progress) progress(done, out.images);
  }
  const std::int64_t wanted = std::min(sampling.sample, out.images * each);
  out.patches.resize(static_cast<std::size_t>(wanted * dims));
  return out;
}

}  // namespace conopa::app
