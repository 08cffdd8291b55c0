#include "conopa/nn/patch_mask.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/nn/convert.h"

namespace conopa::nn {
namespace {

std::vector<std::int64_t> integers(const at::Tensor& t) { return to_host(t).to_i64(); }

TEST(VisiblePatchesTest, RoundsDownInDouble) {
  EXPECT_EQ(visible_patches(196, 0.75), 49);
  EXPECT_EQ(visible_patches(36, 0.75), 9);
  EXPECT_EQ(visible_patches(49, 0.75), 12);
  EXPECT_EQ(visible_patches(4, 0.9), 0);
}

TEST(PatchMaskTest, KeepsThePatchesWithTheSmallestNoise) {
  const at::Tensor noise = at::tensor({0.4, 0.1, 0.3, 0.2, 0.9, 0.8, 0.7, 0.95}).view({2, 4});
  const PatchMask mask = mask_patches(noise, 2);
  EXPECT_EQ(integers(mask.visible), (std::vector<std::int64_t>{1, 3, 2, 1}));
  EXPECT_EQ(integers(mask.restore), (std::vector<std::int64_t>{3, 0, 2, 1, 2, 1, 0, 3}));
  EXPECT_EQ(integers(mask.removed.to(at::kLong)),
            (std::vector<std::int64_t>{1, 0, 1, 0, 1, 0, 0, 1}));
}

TEST(PatchMaskTest, EqualNoiseKeepsTheOrderOfThePatches) {
  const PatchMask mask = mask_patches(at::tensor({0.5, 0.5, 0.5, 0.5}).view({1, 4}), 3);
  EXPECT_EQ(integers(mask.visible), (std::vector<std::int64_t>{0, 1, 2}));
  EXPECT_EQ(integers(mask.restore), (std::vector<std::int64_t>{0, 1, 2, 3}));
}

TEST(PatchMaskTest, EverySampleLosesTheSameNumber) {
  const std::vector<std::int64_t> samples{0, 1, 2, 7, 100};
  const PatchMask mask = mask_patches(patch_noise({.seed = 3, .epoch = 1}, samples, 49), 12);
  EXPECT_EQ(integers(mask.removed.sum(1).to(at::kLong)), std::vector<std::int64_t>(5, 37));
  EXPECT_EQ(mask.visible.size(1), 12);
  // What is visible is what is not removed.
  EXPECT_EQ(mask.removed.gather(1, mask.visible).sum().item<double>(), 0.0);
}

TEST(PatchMaskTest, RestoreUndoesTheShuffle) {
  const std::vector<std::int64_t> samples{5, 6};
  const PatchMask mask = mask_patches(patch_noise({}, samples, 16), 16);  // visible = all, shuffled
  const at::Tensor patches = at::arange(16).view({1, 16}).expand({2, 16});
  const at::Tensor shuffled = patches.gather(1, mask.visible);
  EXPECT_FALSE(at::equal(shuffled, patches));
  EXPECT_TRUE(at::equal(shuffled.gather(1, mask.restore), patches));
}

TEST(PatchNoiseTest, IsAFunctionOfSeedEpochAndSampleAlone) {
  const std::vector<std::int64_t> some{4, 9};
  const std::vector<std::int64_t> others{9, 2, 4};
  const NoiseKey key{.seed = 1, .epoch = 2};
  const at::Tensor a = patch_noise(key, some, 30);
  const at::Tensor b = patch_noise(key, others, 30);
  EXPECT_TRUE(at::equal(a[0], b[2]));
  EXPECT_TRUE(at::equal(a[1], b[0]));
  EXPECT_FALSE(at::equal(a[0], a[1]));
  EXPECT_FALSE(at::equal(a, patch_noise({.seed = 1, .epoch = 3}, some, 30)));
  EXPECT_FALSE(at::equal(a, patch_noise({.seed = 2, .epoch = 2}, some, 30)));
  EXPECT_GE(a.min().item<double>(), 0.0);
  EXPECT_LT(a.max().item<double>(), 1.0);
}

}  // namespace
}  // namespace conopa::nn
