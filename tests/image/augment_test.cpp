#include "conopa/image/augment.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <string>

#include "conopa/core/error.h"
#include "conopa/image/ops.h"
#include "tests/image/test_images.h"

namespace conopa::image {
namespace {

using testing::synthetic;

TEST(RandAugmentSpecTest, ReadsTimmsSpelling) {
  const RandAugmentSpec usual = parse_rand_augment("rand-m9-mstd0.5-inc1");
  EXPECT_EQ(usual.magnitude, 9);
  EXPECT_EQ(usual.layers, 2);
  EXPECT_TRUE(usual.increasing);
  EXPECT_FALSE(usual.weighted);
  EXPECT_DOUBLE_EQ(usual.magnitude_stddev, 0.5);
  EXPECT_DOUBLE_EQ(usual.probability, 0.5);

  EXPECT_EQ(parse_rand_augment("rand"), RandAugmentSpec{});
  const RandAugmentSpec all = parse_rand_augment("rand-n3-w0-m5-mmax12-mstd101-p0.7-inc0");
  EXPECT_EQ(all.layers, 3);
  EXPECT_TRUE(all.weighted);
  EXPECT_EQ(all.magnitude_max, 12);
  EXPECT_DOUBLE_EQ(all.magnitude_stddev, 101.0);
  EXPECT_DOUBLE_EQ(all.probability, 0.7);
  EXPECT_FALSE(all.increasing);
}

TEST(RandAugmentSpecTest, RefusesWhatItDoesNotKnow) {
  for (const char* text : {"", "augmix-m3", "rand-q3", "rand-m", "rand-m9x", "rand-m-9", "rand-w1",
                           "rand-mstd", "rand-p2", "rand--m9", "rand-inc2", "rand-m9999999999"}) {
    EXPECT_THROW(static_cast<void>(parse_rand_augment(text)), ConfigError) << text;
  }
}

TEST(RandAugmentTest, LevelsFollowTimmsTables) {
  struct Case {
    AugmentOp op;
    double magnitude;
    bool increasing;
    bool negate;
    double expected;
  };
  const std::vector<Case> cases = {{AugmentOp::kRotate, 9, false, false, 27},
                                   {AugmentOp::kRotate, 9, true, true, -27},
                                   {AugmentOp::kPosterize, 9, false, false, 3},
                                   {AugmentOp::kPosterize, 9, true, false, 1},
                                   {AugmentOp::kSolarize, 9, false, false, 230},
                                   {AugmentOp::kSolarize, 9, true, false, 26},
                                   {AugmentOp::kSolarizeAdd, 9, true, false, 99},
                                   {AugmentOp::kColor, 9, false, false, 1.72},
                                   {AugmentOp::kColor, 9, true, false, 1.81},
                                   {AugmentOp::kContrast, 9, true, true, 0.19},
                                   {AugmentOp::kSharpness, 10, true, true, 0.1},
                                   {AugmentOp::kBrightness, 0, true, true, 1},
                                   {AugmentOp::kShearX, 9, true, true, -0.27},
                                   {AugmentOp::kTranslateY, 10, true, false, 0.45},
                                   {AugmentOp::kAutoContrast, 9, true, false, 0.0}};
  for (const Case& c : cases) {
    EXPECT_NEAR(augment_argument(c.op, c.magnitude, c.increasing, c.negate), c.expected, 1e-12)
        << static_cast<int>(c.op) << " at " << c.magnitude;
  }
}

TEST(RandAugmentTest, IsAFunctionOfTheGenerator) {
  const Image image = synthetic(24, 20, 3, 2);
  const RandAugment augment(parse_rand_augment("rand-m9-mstd0.5-inc1"), {});
  std::set<std::string> kinds;
  for (std::uint64_t i = 0; i < 60; ++i) {
    Rng first(1, RngPurpose::kAugment, 0, i), second(1, RngPurpose::kAugment, 0, i);
    const Image out = augment.apply(image, first);
    EXPECT_EQ(out, augment.apply(image, second));
    EXPECT_EQ(out.width, 24);
    EXPECT_EQ(out.height, 20);
    kinds.insert(testing::fnv(out));
  }
  EXPECT_GT(kinds.size(), 30U);  // a quarter stays unchanged
}

TEST(RandAugmentTest, LayersAndProbabilityBoundTheChange) {
  const Image image = synthetic(24, 20, 3, 2);
  Rng rng(1, RngPurpose::kAugment);
  EXPECT_EQ(RandAugment(parse_rand_augment("rand-n0"), {}).apply(image, rng), image);
  EXPECT_EQ(RandAugment(parse_rand_augment("rand-n5-p0"), {}).apply(image, rng), image);
}

TEST(RandAugmentTest, WeightedDrawsRunOutOfOperations) {
  // Thirteen operations have a weight; asking for more applies each of them once.
  const RandAugment augment(parse_rand_augment("rand-n50-w0-m3-p1"), {});
  const Image image = synthetic(16, 16, 3, 2);
  Rng rng(1, RngPurpose::kAugment);
  EXPECT_NE(augment.apply(image, rng), image);
}

TEST(RandAugmentTest, WorksOnGrayAndTinyImages) {
  const RandAugment augment(parse_rand_augment("rand-n4-m10-p1-inc1"), {});
  for (std::uint64_t i = 0; i < 40; ++i) {
    Rng rng(2, RngPurpose::kAugment, 0, i);
    EXPECT_EQ(augment.apply(synthetic(1, 1, 3, i + 1), rng).pixels.size(), 3U);
    EXPECT_EQ(augment.apply(synthetic(5, 4, 1, i + 1), rng).pixels.size(), 20U);
  }
}

TEST(ThreeAugmentTest, ChoosesEachOperationAboutEquallyOften) {
  const Image image = synthetic(12, 12, 3, 2);
  const Image gray = grayscale(image);
  const Image solar = solarize(image);
  std::array<int, 3> counts{};
  for (std::uint64_t i = 0; i < 600; ++i) {
    Rng rng(3, RngPurpose::kAugment, 0, i);
    const Image out = three_augment(image, rng);
    ++counts[out == gray ? 0 : out == solar ? 1 : 2];
  }
  for (const int count : counts) EXPECT_NEAR(count, 200, 60);
}

TEST(ColorJitterTest, WithoutRangesChangesNothing) {
  const Image image = synthetic(12, 12, 3, 2);
  Rng rng(3, RngPurpose::kAugment);
  EXPECT_EQ(color_jitter(image, {}, rng), image);
}

TEST(ColorJitterTest, AppliesEachKindInRandomOrder) {
  const Image image = synthetic(12, 12, 3, 2);
  std::set<std::string> kinds;
  for (std::uint64_t i = 0; i < 20; ++i) {
    Rng rng(3, RngPurpose::kAugment, 0, i);
    kinds.insert(testing::fnv(color_jitter(image, {0.4, 0.4, 0.4, 0.1}, rng)));
  }
  EXPECT_EQ(kinds.size(), 20U);
  Rng rng(4, RngPurpose::kAugment);
  const Image hue_only = color_jitter(image, {.hue = 0.5}, rng);
  EXPECT_NE(hue_only, image);
  EXPECT_EQ(color_jitter(to_gray(image), {.hue = 0.5}, rng), to_gray(image));
}

TEST(RandomResizedWindowTest, KeepsAreaAndRatioInRange) {
  Rng rng(5, RngPurpose::kAugment);
  const Size size{300, 200};
  for (int i = 0; i < 2000; ++i) {
    const Window w = random_resized_window(size, {}, rng);
    EXPECT_GE(w.left, 0);
    EXPECT_GE(w.top, 0);
    EXPECT_LE(w.left + w.width, size.width);
    EXPECT_LE(w.top + w.height, size.height);
    const double ratio = static_cast<double>(w.width) / static_cast<double>(w.height);
    EXPECT_GT(ratio, 0.72);
    EXPECT_LT(ratio, 1.39);
    const double share = static_cast<double>(w.width * w.height) / 60000.0;
    EXPECT_GT(share, 0.078);
    EXPECT_LE(share, 1.0);
  }
}

TEST(RandomResizedWindowTest, FallsBackToTheLargestCentralWindow) {
  Rng rng(6, RngPurpose::kAugment);
  const WindowRange whole{.scale_min = 1.0, .scale_max = 1.0};
  EXPECT_EQ(random_resized_window({900, 30}, whole, rng), (Window{430, 0, 40, 30}));
  EXPECT_EQ(random_resized_window({30, 900}, whole, rng), (Window{0, 430, 30, 40}));
}

TEST(RandomResizedWindowTest, SinglePixelsAreTakenWhole) {
  Rng rng(7, RngPurpose::kAugment);
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(random_resized_window({1, 1}, {}, rng), (Window{0, 0, 1, 1}));
  }
}

}  // namespace
}  // namespace conopa::image
