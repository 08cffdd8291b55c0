#include "conopa/nn/patch_pixels.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/square.h>

#include "nn/patches.h"

namespace conopa::nn {
namespace {

// Against a division by zero in patches of one colour.
constexpr double kVarianceEps = 1e-6;

}  // namespace

at::Tensor patch_pixels(const at::Tensor& images, std::int64_t P) {
  const at::Tensor cut = cut_images(images, P);
  return cut.permute({0, 2, 4, 3, 5, 1})
      .reshape({cut.size(0), cut.size(2) * cut.size(4), P * P * cut.size(1)});
}

at::Tensor images_of_patches(const at::Tensor& pixels, const arch::EncoderSpec& spec) {
  const std::int64_t P = spec.patch;
  const std::int64_t rows = spec.grid_rows();
  const std::int64_t cols = spec.grid_cols();
  return pixels.reshape({pixels.size(0), rows, cols, P, P, spec.channels})
      .permute({0, 5, 1, 3, 2, 4})
      .reshape({pixels.size(0), spec.channels, rows * P, cols * P})
      .narrow(2, 0, spec.height)
      .narrow(3, 0, spec.width);
}

PatchStatistics patch_statistics(const at::Tensor& pixels) {
  return {.mean = pixels.mean(-1, true),
          .deviation = (pixels.var(-1, true, true) + kVarianceEps).sqrt()};
}

at::Tensor removed_patch_error(const at::Tensor& prediction, const at::Tensor& target,
                               const at::Tensor& removed) {
  const at::Tensor error = (prediction - target).square().mean(-1);  // [B, L]
  return (error * removed).sum() / removed.sum();
}

}  // namespace conopa::nn
