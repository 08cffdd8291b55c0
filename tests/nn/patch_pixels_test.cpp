#include "conopa/nn/patch_pixels.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "conopa/nn/convert.h"

namespace conopa::nn {
namespace {

using testing::ElementsAre;

arch::EncoderSpec spec_of(std::int64_t channels, std::int64_t height, std::int64_t width) {
  arch::EncoderSpec spec;
  spec.channels = channels;
  spec.height = height;
  spec.width = width;
  spec.patch = 2;
  return spec;
}

TEST(PatchPixelsTest, OrdersByRowColumnChannel) {
  // Two channels of 2×4: channel 0 counts 0..7, channel 1 counts 8..15.
  const at::Tensor images = at::arange(16, at::kFloat).view({1, 2, 2, 4});
  const at::Tensor pixels = patch_pixels(images, 2);
  EXPECT_EQ(pixels.sizes(), (std::vector<std::int64_t>{1, 2, 8}));
  EXPECT_THAT(to_host(pixels[0][0]).to_f32(), ElementsAre(0, 8, 1, 9, 4, 12, 5, 13));
  EXPECT_THAT(to_host(pixels[0][1]).to_f32(), ElementsAre(2, 10, 3, 11, 6, 14, 7, 15));
}

TEST(PatchPixelsTest, BackAndForth) {
  const at::Tensor images = at::arange(96, at::kFloat).view({2, 2, 6, 4});
  EXPECT_TRUE(at::equal(images_of_patches(patch_pixels(images, 2), spec_of(2, 6, 4)), images));
}

TEST(PatchPixelsTest, FillsWhatThePatchDoesNotDivideAndCutsItOffAgain) {
  const at::Tensor images = at::arange(1, 16, at::kFloat).view({1, 1, 3, 5});
  const at::Tensor pixels = patch_pixels(images, 2);
  EXPECT_EQ(pixels.sizes(), (std::vector<std::int64_t>{1, 6, 4}));
  EXPECT_THAT(to_host(pixels[0][5]).to_f32(), ElementsAre(15, 0, 0, 0));
  EXPECT_TRUE(at::equal(images_of_patches(pixels, spec_of(1, 3, 5)), images));
}

TEST(PatchStatisticsTest, UsesTheUnbiasedVariance) {
  const at::Tensor pixels = at::tensor({1.0F, 2.0F, 3.0F, 6.0F}).view({1, 1, 4});
  const PatchStatistics statistics = patch_statistics(pixels);
  EXPECT_FLOAT_EQ(statistics.mean.item<float>(), 3.0F);
  // Squared distances 4 + 1 + 0 + 9 over 3.
  EXPECT_FLOAT_EQ(statistics.deviation.item<float>(),
                  static_cast<float>(std::sqrt(14.0 / 3.0 + 1e-6)));
}

TEST(PatchStatisticsTest, OneColourDividesByASmallNumberOnly) {
  const at::Tensor pixels = at::tensor({5.0F, 5.0F, 5.0F, 5.0F}).view({1, 1, 4});
  EXPECT_FLOAT_EQ(patch_statistics(pixels).deviation.item<float>(), 1e-3F);
}

TEST(RemovedPatchErrorTest, AveragesOverRemovedPatches) {
  const at::Tensor target = at::arange(12, at::kFloat).view({1, 3, 4}) * 0.0;
  const at::Tensor prediction = at::tensor({1.0F, 1.0F, 1.0F, 3.0F,      // error 3
                                            50.0F, 50.0F, 50.0F, 50.0F,  // visible
                                            2.0F, 0.0F, 0.0F, 0.0F})     // error 1
                                    .view({1, 3, 4});
  const at::Tensor removed = at::tensor({1.0F, 0.0F, 1.0F}).view({1, 3});
  EXPECT_FLOAT_EQ(removed_patch_error(prediction, target, removed).item<float>(), 2.0F);
}

}  // namespace
}  // namespace conopa::nn
