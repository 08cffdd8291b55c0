#include "nn/patches.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/constant_pad_nd.h>

namespace conopa::nn {
namespace {

std::int64_t missing(std::int64_t side, std::int64_t patch) {
  return (patch - side % patch) % patch;
}

}  // namespace

at::Tensor cut_images(const at::Tensor& images, std::int64_t P) {
  const std::int64_t below = missing(images.size(2), P);
  const std::int64_t right = missing(images.size(3), P);
  const at::Tensor whole = below + right > 0 ? at::constant_pad_nd(images, {0, right, 0, below}, 0)
                                             : images.contiguous();
  return whole.view({whole.size(0), whole.size(1), whole.size(2) / P, P, whole.size(3) / P, P});
}

at::Tensor image_patches(const at::Tensor& images, std::int64_t P) {
  const at::Tensor cut = cut_images(images, P);
  return cut.permute({0, 2, 4, 1, 3, 5})
      .reshape({cut.size(0) * cut.size(2) * cut.size(4), cut.size(1) * P * P});
}

at::Tensor map_patches(const at::Tensor& map, std::int64_t P) {
  const std::int64_t below = missing(map.size(1), P);
  const std::int64_t right = missing(map.size(2), P);
  const at::Tensor whole = below + right > 0
                               ? at::constant_pad_nd(map, {0, 0, 0, right, 0, below}, 0)
                               : map.contiguous();
  const std::int64_t B = whole.size(0);
  const std::int64_t rows = whole.size(1) / P;
  const std::int64_t cols = whole.size(2) / P;
  const std::int64_t C = whole.size(3);
  return whole.view({B, rows, P, cols, P, C})
      .permute({0, 1, 3, 5, 2, 4})
      .reshape({B * rows * cols, C * P * P});
}

}  // namespace conopa::nn
