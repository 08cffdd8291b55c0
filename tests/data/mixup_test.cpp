#include "conopa/data/mixup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <numeric>

#include "conopa/core/error.h"

namespace conopa::data {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::Pointwise;

Rng test_rng(std::uint64_t index = 0) { return {1, RngPurpose::kTest, 0, index}; }

// Four images of one channel, 2×2, all pixels equal 1, 2, 4, 8.
std::vector<float> four_images() {
  std::vector<float> images;
  for (const float value : {1.0F, 2.0F, 4.0F, 8.0F}) images.insert(images.end(), 4, value);
  return images;
}

TEST(MixImagesTest, MixupBlendsMirroredSamplesByTheRatio) {
  std::vector<float> images = four_images();
  const std::vector<Mix> mixes(4, Mix{.ratio = 0.75, .box = std::nullopt});
  mix_images(mixes, 1, 2, 2, images);
  // 0.75·own + 0.25·mirrored, computed by hand
  EXPECT_FLOAT_EQ(images[0], 2.75F);
  EXPECT_FLOAT_EQ(images[4], 2.5F);
  EXPECT_FLOAT_EQ(images[8], 3.5F);
  EXPECT_FLOAT_EQ(images[12], 6.25F);
}

TEST(MixImagesTest, CutmixTakesTheBoxFromThePartner) {
  std::vector<float> images = four_images();
  const std::vector<Mix> mixes(4, Mix{.ratio = 0.5, .box = Mix::Box{0, 1, 0, 2}});
  mix_images(mixes, 1, 2, 2, images);
  EXPECT_THAT(images, ElementsAre(8, 8, 1, 1, 4, 4, 2, 2, 2, 2, 4, 4, 1, 1, 8, 8));
}

TEST(MixImagesTest, SamplesOfAPairMayBeMixedDifferently) {
  std::vector<float> images = {1, 1, 1, 1, 3, 3, 3, 3};
  const std::array<Mix, 2> mixes = {Mix{.ratio = 0.75, .box = Mix::Box{1, 2, 1, 2}},
                                    Mix{.ratio = 0.5, .box = std::nullopt}};
  mix_images(mixes, 1, 2, 2, images);
  EXPECT_THAT(images, ElementsAre(1, 1, 1, 3, 2, 2, 2, 2));
}

TEST(MixImagesTest, BoxesApplyToEveryChannel) {
  std::vector<float> images = {1, 2, 3, 4, 5, 6, 7, 8};  // 2 samples, 2 channels, 1×2
  const std::array<Mix, 2> mixes = {Mix{.ratio = 0.5, .box = Mix::Box{0, 1, 0, 1}},
                                    Mix{.ratio = 0.5, .box = Mix::Box{0, 1, 1, 2}}};
  mix_images(mixes, 2, 1, 2, images);
  EXPECT_THAT(images, ElementsAre(5, 2, 7, 4, 5, 2, 7, 4));
}

TEST(MixImagesTest, MiddleOfAnOddBatchStaysItself) {
  std::vector<float> images = {1, 5, 3};
  const std::vector<Mix> mixes(3, Mix{.ratio = 0.5, .box = std::nullopt});
  mix_images(mixes, 1, 1, 1, images);
  EXPECT_THAT(images, ElementsAre(2, 5, 2));
}

TEST(SoftTargetsTest, SmoothingAloneMatchesHandComputedValues) {
  std::vector<float> targets(4);
  const std::array<std::int64_t, 1> labels = {2};
  soft_targets({}, labels, 4, 0.1, targets);
  EXPECT_THAT(targets, Pointwise(FloatNear(1e-7F), {0.025F, 0.025F, 0.925F, 0.025F}));
}

TEST(SoftTargetsTest, MixesBothLabelsByTheRatio) {
  std::vector<float> targets(8);
  const std::array<std::int64_t, 2> labels = {0, 3};
  const std::vector<Mix> mixes(2, Mix{.ratio = 0.7, .box = std::nullopt});
  soft_targets(mixes, labels, 4, 0.1, targets);
  EXPECT_THAT(targets, Pointwise(FloatNear(1e-6F), {0.655F, 0.025F, 0.025F, 0.295F,  //
                                                    0.295F, 0.025F, 0.025F, 0.655F}));
}

TEST(SoftTargetsTest, RowsSumToOneAlsoForEqualLabels) {
  std::vector<float> targets(20);
  const std::array<std::int64_t, 4> labels = {1, 1, 4, 1};
  const std::vector<Mix> mixes(4, Mix{.ratio = 0.31, .box = std::nullopt});
  soft_targets(mixes, labels, 5, 0.2, targets);
  for (auto row = targets.begin(); row != targets.end(); row += 5) {
    EXPECT_NEAR(std::accumulate(row, row + 5, 0.0), 1.0, 1e-6);
  }
}

TEST(SoftTargetsTest, RefusesLabelsOutOfRange) {
  std::vector<float> targets(3);
  const std::array<std::int64_t, 1> high = {3};
  const std::array<std::int64_t, 1> negative = {-1};
  EXPECT_THROW(soft_targets({}, high, 3, 0.0, targets), FormatError);
  EXPECT_THROW(soft_targets({}, negative, 3, 0.0, targets), FormatError);
}

TEST(DrawMixesTest, DefaultsAndZeroAlphasMixNothing) {
  Rng rng = test_rng();
  EXPECT_FALSE(MixupOptions{}.mixes());
  EXPECT_FALSE(MixupOptions{}.needs_targets());
  EXPECT_TRUE((MixupOptions{.label_smoothing = 0.1}.needs_targets()));
  for (const Mix& mix : draw_mixes({}, 4, 8, 8, rng)) EXPECT_EQ(mix.ratio, 1.0);
}

TEST(DrawMixesTest, BatchModeSharesOneRatio) {
  Rng rng = test_rng();
  const auto mixes = draw_mixes({.mixup_alpha = 0.8}, 6, 8, 8, rng);
  ASSERT_EQ(mixes.size(), 6U);
  EXPECT_LT(mixes[0].ratio, 1.0);
  EXPECT_FALSE(mixes[0].box);
  for (const Mix& mix : mixes) EXPECT_EQ(mix.ratio, mixes[0].ratio);
}

TEST(DrawMixesTest, PairModeSharesOneRatioPerPair) {
  Rng rng = test_rng();
  const auto mixes = draw_mixes({.mixup_alpha = 0.8, .mode = MixMode::kPair}, 5, 8, 8, rng);
  EXPECT_EQ(mixes[0].ratio, mixes[4].ratio);
  EXPECT_EQ(mixes[1].ratio, mixes[3].ratio);
  EXPECT_NE(mixes[0].ratio, mixes[1].ratio);
  EXPECT_EQ(mixes[2].ratio, 1.0);
}

TEST(DrawMixesTest, ElemModeDrawsEverySampleApart) {
  Rng rng = test_rng();
  const auto mixes = draw_mixes({.mixup_alpha = 0.8, .mode = MixMode::kElem}, 4, 8, 8, rng);
  EXPECT_NE(mixes[0].ratio, mixes[3].ratio);
}

TEST(DrawMixesTest, CutmixRatioIsTheShareOfTheClippedBox) {
  for (std::uint64_t i = 0; i < 200; ++i) {
    Rng rng = test_rng(i);
    const Mix mix = draw_mixes({.cutmix_alpha = 1.0}, 2, 7, 9, rng).front();
    ASSERT_TRUE(mix.box);
    const Mix::Box box = *mix.box;
    ASSERT_TRUE(0 <= box.top && box.top <= box.bottom && box.bottom <= 7);
    ASSERT_TRUE(0 <= box.left && box.left <= box.right && box.right <= 9);
    const auto area = static_cast<double>((box.bottom - box.top) * (box.right - box.left));
    ASSERT_DOUBLE_EQ(mix.ratio, 1.0 - area / 63.0);
  }
}

TEST(DrawMixesTest, UncorrectedCutmixKeepsTheDrawnRatio) {
  Rng corrected_rng = test_rng();
  Rng plain_rng = test_rng();
  const Mix corrected = draw_mixes({.cutmix_alpha = 1.0}, 2, 8, 8, corrected_rng).front();
  const Mix plain =
      draw_mixes({.cutmix_alpha = 1.0, .correct_ratio = false}, 2, 8, 8, plain_rng).front();
  EXPECT_EQ(plain.box, corrected.box);
  const double side = std::sqrt(1.0 - plain.ratio);
  EXPECT_LE(static_cast<double>(plain.box->bottom - plain.box->top), 8.0 * side);
  EXPECT_NE(plain.ratio, corrected.ratio);
}

TEST(DrawMixesTest, RangedBoxesLieInsideTheImageWithinTheirRange) {
  for (std::uint64_t i = 0; i < 200; ++i) {
    Rng rng = test_rng(i);
    const MixupOptions options{.cutmix_min = 0.25, .cutmix_max = 0.5};
    const Mix mix = draw_mixes(options, 2, 16, 32, rng).front();
    ASSERT_TRUE(mix.box);
    const std::int64_t height = mix.box->bottom - mix.box->top;
    const std::int64_t width = mix.box->right - mix.box->left;
    ASSERT_TRUE(height >= 4 && height < 8 && width >= 8 && width < 16);
    ASSERT_TRUE(mix.box->bottom <= 16 && mix.box->right <= 32);
  }
}

TEST(DrawMixesTest, ProbabilitiesDecideWhetherAndHow) {
  int mixed = 0;
  int cut = 0;
  const MixupOptions options{
      .mixup_alpha = 1.0, .cutmix_alpha = 1.0, .prob = 0.5, .switch_prob = 0.25};
  for (std::uint64_t i = 0; i < 4000; ++i) {
    Rng rng = test_rng(i);
    const Mix mix = draw_mixes(options, 2, 32, 32, rng).front();
    mixed += mix.ratio < 1.0 || mix.box ? 1 : 0;
    cut += mix.box ? 1 : 0;
  }
  EXPECT_NEAR(mixed, 2000, 150);  // 5 standard deviations
  EXPECT_NEAR(cut, 500, 110);
}

TEST(DrawMixesTest, MixupRatioFollowsItsBetaDistribution) {
  double sum = 0.0;
  double squares = 0.0;
  constexpr int kDraws = 4000;
  for (std::uint64_t i = 0; i < kDraws; ++i) {
    Rng rng = test_rng(i);
    const double ratio = draw_mixes({.mixup_alpha = 0.8}, 2, 4, 4, rng).front().ratio;
    sum += ratio;
    squares += ratio * ratio;
  }
  const double mean = sum / kDraws;
  EXPECT_NEAR(mean, 0.5, 0.03);
  EXPECT_NEAR(squares / kDraws - mean * mean, 1.0 / (4.0 * 2.6), 0.01);  // 1 / (4(2a+1))
}

TEST(MixupOptionsTest, RefusesValuesOutOfRange) {
  EXPECT_THROW(MixupOptions{.mixup_alpha = -0.1}.validate(), ConfigError);
  EXPECT_THROW(MixupOptions{.prob = 1.5}.validate(), ConfigError);
  EXPECT_THROW(MixupOptions{.label_smoothing = 1.0}.validate(), ConfigError);
  EXPECT_THROW((MixupOptions{.cutmix_min = 0.6, .cutmix_max = 0.5}.validate()), ConfigError);
  EXPECT_NO_THROW(MixupOptions{}.validate());
}

}  // namespace
}  // namespace conopa::data
