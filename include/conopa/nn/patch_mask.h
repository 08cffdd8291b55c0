#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

namespace conopa::nn {

/// Which patches of every sample are removed, and the way back from the shuffled order.
struct PatchMask {
  at::Tensor visible;  ///< [B, K] int64: patches that stay, in shuffled order
  at::Tensor restore;  ///< [B, L] int64: place of every patch in the shuffled order
  at::Tensor removed;  ///< [B, L] float32: 1 = removed

  [[nodiscard]] PatchMask to(at::Device device) const {
    return {visible.to(device), restore.to(device), removed.to(device)};
  }
};

/// Patches that stay of `patches`: int(patches·(1 − ratio)), in double.
[[nodiscard]] std::int64_t visible_patches(std::int64_t patches, double ratio) noexcept;

/// Keeps the `visible` patches with the smallest noise; equal noise in the order of the patches.
/// @param noise  [B, L] of any float dtype. 1 ≤ visible ≤ L.
/// @source MAE (arXiv 2111.06377), section 3, shuffling.
[[nodiscard]] PatchMask mask_patches(const at::Tensor& noise, std::int64_t visible);

/// What decides over every sample's patches in one epoch.
struct NoiseKey {
  std::uint64_t seed = 0;
  std::int64_t epoch = 0;
};

/// Uniform noise [B, patches] float64 on the CPU; row i is a function of (key, samples[i]) alone.
/// @param samples  places in the dataset: a sample that an epoch holds twice is masked twice alike.
[[nodiscard]] at::Tensor patch_noise(const NoiseKey& key, std::span<const std::int64_t> samples,
                                     std::int64_t patches);

}  // namespace conopa::nn
