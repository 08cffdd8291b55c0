#include "conopa/nn/patch_mask.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/ge.h>
#include <ATen/ops/sort.h>

#include <tuple>

#include "conopa/core/rng.h"

namespace conopa::nn {
namespace {

// Places of the sorted values; equal ones keep their order.
at::Tensor stable_argsort(const at::Tensor& values) {
  return std::get<1>(at::sort(values, /*stable=*/true, /*dim=*/1, /*descending=*/false));
}

}  // namespace

std::int64_t visible_patches(std::int64_t patches, double ratio) noexcept {
  return static_cast<std::int64_t>(static_cast<double>(patches) * (1.0 - ratio));
}

PatchMask mask_patches(const at::Tensor& noise, std::int64_t visible) {
  const at::Tensor shuffle = stable_argsort(noise);
  const at::Tensor restore = stable_argsort(shuffle);
  return {.visible = shuffle.narrow(1, 0, visible).contiguous(),
          .restore = restore,
          .removed = restore.ge(visible).to(at::kFloat)};
}

at::Tensor patch_noise(const NoiseKey& key, std::span<const std::int64_t> samples,
                       std::int64_t patches) {
  const auto B = static_cast<std::int64_t>(samples.size());
  at::Tensor noise = at::empty({B, patches}, at::TensorOptions().dtype(at::kDouble));
  auto* out = noise.data_ptr<double>();
  for (const std::int64_t sample : samples) {
    Rng rng(key.seed, RngPurpose::kPatchMask, static_cast<std::uint64_t>(key.epoch),
            static_cast<std::uint64_t>(sample));
    for (std::int64_t i = 0; i < patches; ++i) *out++ = rng.uniform();
  }
  return noise;
}

}  // namespace conopa::nn
