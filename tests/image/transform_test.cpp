#include "conopa/image/transform.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "conopa/core/error.h"
#include "conopa/core/fields_json.h"
#include "conopa/image/codec.h"
#include "conopa/image/resize.h"
#include "tests/image/test_images.h"

namespace conopa::image {
namespace {

using testing::data_folder;
using ::testing::HasSubstr;
using testing::synthetic;

std::vector<float> run(const Transform& transform, const Image& image, std::uint64_t index = 0) {
  Rng rng(1, RngPurpose::kAugment, 0, index);
  std::vector<float> out(static_cast<std::size_t>(element_count(transform.output_shape())), -99.0F);
  transform.apply(image, rng, out);
  return out;
}

/// (v / 255 - mean) / std of one sample.
float normalized(std::uint8_t v, double mean, double std) {
  return (static_cast<float>(v) / 255.0F - static_cast<float>(mean)) / static_cast<float>(std);
}

/// Gray, no normalisation, nothing random: the values are the samples / 255.
TrainTransformOptions plain_options(std::int64_t side, TrainCrop crop) {
  TrainTransformOptions options;
  options.height = options.width = side;
  options.channels = 1;
  options.crop = crop;
  options.hflip = 0.0;
  options.mean = {0.0};
  options.std = {1.0};
  return options;
}

TEST(EvalTransformTest, EqualsTheParityTensorToTheBit) {
  EvalTransformOptions options;
  options.height = options.width = 56;
  const auto transform = make_eval_transform(options);
  EXPECT_EQ(transform->output_shape(), (Shape{3, 56, 56}));
  const auto out = run(*transform, decode_file(data_folder() / "eval_input.png"));
  EXPECT_FLOAT_EQ(out[0], 1.4782944F);
  EXPECT_EQ(testing::fnv(std::as_bytes(std::span(out))), "133c3b6cf8e8d85e");
}

TEST(EvalTransformTest, SquashIgnoresTheRatio) {
  EvalTransformOptions options{.height = 10,
                               .width = 6,
                               .mode = EvalMode::kSquash,
                               .interpolation = Interpolation::kBilinear};
  const Image image = synthetic(30, 17, 3, 4);
  const auto out = run(*make_eval_transform(options), image);
  const Image expected = resize(image, 6, 10, Filter::kBilinear);
  EXPECT_EQ(out[7], normalized(expected.row(1)[3], 0.485, 0.229));
  EXPECT_EQ(out[60 + 7], normalized(expected.row(1)[4], 0.456, 0.224));
}

TEST(EvalTransformTest, SmallImagesGetABlackBorder) {
  EvalTransformOptions options{
      .height = 8, .width = 8, .channels = 1, .resize_short = 4, .mean = {0.0}, .std = {1.0}};
  Image image(7, 4, 1);
  std::fill(image.pixels.begin(), image.pixels.end(), std::uint8_t{255});
  const auto out = run(*make_eval_transform(options), image);
  for (std::size_t y = 0; y < 8; ++y) {
    for (std::size_t x = 0; x < 8; ++x) {
      // One spare column goes behind, the rows are split evenly.
      EXPECT_EQ(out[y * 8 + x], y >= 2 && y < 6 && x < 7 ? 1.0F : 0.0F) << x << ',' << y;
    }
  }
}

TEST(EvalTransformTest, HalfOffsetsGoToTheEvenSide) {
  EvalTransformOptions options{
      .height = 2, .width = 2, .channels = 1, .resize_short = 5, .mean = {0.0}, .std = {1.0}};
  Image image(5, 5, 1);
  for (std::size_t i = 0; i < 25; ++i) image.pixels[i] = static_cast<std::uint8_t>(i);
  // (5 - 2) / 2 = 1.5 becomes 2.
  EXPECT_EQ(run(*make_eval_transform(options), image)[0], normalized(12, 0.0, 1.0));
}

TEST(EvalTransformTest, OblongTargetsAreCovered) {
  EvalTransformOptions options{
      .height = 8, .width = 24, .channels = 1, .crop_pct = 1.0, .mean = {0.0}, .std = {1.0}};
  Image image(10, 10, 1);
  std::fill(image.pixels.begin(), image.pixels.end(), std::uint8_t{255});
  const auto out = run(*make_eval_transform(options), image);
  EXPECT_TRUE(std::all_of(out.begin(), out.end(), [](float v) { return v == 1.0F; }));
}

TEST(EvalTransformTest, GrayImagesFeedColourModels) {
  const auto transform = make_eval_transform({.height = 4, .width = 4, .crop_pct = 1.0});
  const Image gray = synthetic(4, 4, 1, 3);
  EXPECT_EQ(run(*transform, gray), run(*transform, to_rgb(gray)));
}

TEST(TrainTransformTest, PadCropShowsEveryOffsetOnce) {
  const auto transform = make_train_transform(plain_options(5, TrainCrop::kPadCrop));
  const Image image = synthetic(5, 5, 1, 3);
  const Image padded = pad(image, {4, 4, 4, 4});
  std::vector<int> seen(81);
  for (std::uint64_t i = 0; i < 3000; ++i) {
    const std::vector<float> out = run(*transform, image, i);
    int matches = 0;
    for (std::int64_t at = 0; at < 81; ++at) {
      const Image window = crop(padded, at % 9, at / 9, 5, 5);
      const bool same =
          std::equal(out.begin(), out.end(), window.pixels.begin(),
                     [](float a, std::uint8_t b) { return a == normalized(b, 0, 1); });
      if (same) ++seen[static_cast<std::size_t>(at)];
      matches += same;
    }
    ASSERT_EQ(matches, 1);
  }
  EXPECT_GT(*std::min_element(seen.begin(), seen.end()), 10);  // 37 expected
}

TEST(TrainTransformTest, PadCropRefusesSmallImages) {
  const auto transform = make_train_transform(plain_options(32, TrainCrop::kPadCrop));
  EXPECT_THROW(run(*transform, synthetic(20, 32, 1, 1)), ShapeError);
  EXPECT_NO_THROW(run(*transform, synthetic(24, 40, 1, 1)));
}

TEST(TrainTransformTest, FlipsMirrorTheWindow) {
  TrainTransformOptions options = plain_options(6, TrainCrop::kPadCrop);
  options.pad_px = 2;
  const Image image = synthetic(6, 6, 1, 3);
  // The crop is drawn before the flips, so both runs see the same window.
  const std::vector<float> straight = run(*make_train_transform(options), image, 5);
  options.hflip = options.vflip = 1.0;
  std::vector<float> turned = run(*make_train_transform(options), image, 5);
  std::reverse(turned.begin(), turned.end());
  EXPECT_EQ(turned, straight);
}

TEST(TrainTransformTest, AugmentedPathPlacesTheSameWindow) {
  TrainTransformOptions options = plain_options(6, TrainCrop::kPadCrop);
  options.hflip = options.vflip = 0.5;
  const Image image = synthetic(7, 8, 1, 3);
  const auto direct = make_train_transform(options);
  options.rand_augment = "rand-n1-p0";  // goes the long way and changes nothing
  const auto augmented = make_train_transform(options);
  for (std::uint64_t i = 0; i < 100; ++i) {
    EXPECT_EQ(run(*direct, image, i), run(*augmented, image, i)) << i;
  }
}

TEST(TrainTransformTest, SimpleCropMirrorsTheBorder) {
  TrainTransformOptions options = plain_options(8, TrainCrop::kSimple);
  const Image image = synthetic(8, 8, 1, 3);
  Rng rng(1, RngPurpose::kAugment, 0, 0);
  const std::vector<float> out = run(*make_train_transform(options), image);
  const Image padded = pad(image, {4, 4, 4, 4}, PadMode::kReflect);
  int matches = 0;
  for (std::int64_t at = 0; at < 81; ++at) {
    const Image window = crop(padded, at % 9, at / 9, 8, 8);
    matches += std::equal(out.begin(), out.end(), window.pixels.begin(),
                          [](float a, std::uint8_t b) { return a == normalized(b, 0, 1); });
  }
  EXPECT_EQ(matches, 1);
}

TEST(TrainTransformTest, ResizeOnlyEqualsResize) {
  const TrainTransformOptions options = plain_options(7, TrainCrop::kResizeOnly);
  const Image image = synthetic(19, 31, 1, 3);
  const std::vector<float> out = run(*make_train_transform(options), image);
  const Image expected = resize(image, 7, 7, Filter::kBicubic);
  for (std::size_t i = 0; i < 49; ++i) EXPECT_EQ(out[i], normalized(expected.pixels[i], 0, 1));
}

TEST(TrainTransformTest, EveryRecipeIsAFunctionOfTheGenerator) {
  std::vector<TrainTransformOptions> recipes(4);
  recipes[0].rand_augment = "rand-m9-mstd0.5-inc1";
  recipes[0].erase_prob = 0.5;
  recipes[1].three_augment = true;
  recipes[1].color_jitter = 0.3;
  recipes[2].interpolation = Interpolation::kRandom;
  recipes[2].hue_jitter = 0.1;
  recipes[2].jitter_prob = 0.8;
  recipes[3].crop = TrainCrop::kSimple;
  recipes[3].erase_prob = 1.0;
  recipes[3].erase_count = 3;
  for (TrainTransformOptions& recipe : recipes) {
    recipe.height = 24;
    recipe.width = 32;
    const auto transform = make_train_transform(recipe);
    int distinct = 0;
    for (std::uint64_t i = 0; i < 20; ++i) {
      for (const std::int64_t channels : {1, 3, 4}) {
        const Image image = synthetic(50, 41, channels, 5);
        const std::vector<float> out = run(*transform, image, i);
        EXPECT_EQ(out, run(*transform, image, i));
        EXPECT_EQ(std::count(out.begin(), out.end(), -99.0F), 0);  // all written
        distinct += out != run(*transform, image, i + 1);
      }
    }
    EXPECT_GT(distinct, 55);
  }
}

TEST(TransformTest, RefusesAnotherOutputLength) {
  const auto transform = make_eval_transform({});
  std::vector<float> out(7);
  Rng rng(1, RngPurpose::kAugment);
  EXPECT_THROW(transform->apply(synthetic(4, 4, 3, 1), rng, out), ShapeError);
}

TEST(TransformOptionsTest, OutOfRangeValuesNameTheField) {
  const auto error_of = [](auto change) -> std::string {
    TrainTransformOptions options;
    change(options);
    try {
      options.validate();
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_EQ(error_of([](auto&) {}), "no error");
  EXPECT_THAT(error_of([](auto& o) { o.height = 0; }), HasSubstr("[height]"));
  EXPECT_THAT(error_of([](auto& o) { o.channels = 4; }), HasSubstr("[channels]"));
  EXPECT_THAT(error_of([](auto& o) { o.std = {0.0}; }), HasSubstr("[std]"));
  EXPECT_THAT(error_of([](auto& o) { o.mean = {0.1, 0.2}; }), HasSubstr("[mean]"));
  EXPECT_THAT(error_of([](auto& o) { o.scale_min = 2.0; }), HasSubstr("[scale_min]"));
  EXPECT_THAT(error_of([](auto& o) { o.hflip = -0.1; }), HasSubstr("[hflip]"));
  EXPECT_THAT(error_of([](auto& o) { o.erase_prob = 1.1; }), HasSubstr("[erase_prob]"));
  EXPECT_THAT(error_of([](auto& o) { o.rand_augment = "rand-z"; }), HasSubstr("rand_augment"));
  EXPECT_THROW(static_cast<void>(make_eval_transform({.interpolation = Interpolation::kRandom})),
               ConfigError);
  EXPECT_THROW(static_cast<void>(make_eval_transform({.crop_pct = 0.0})), ConfigError);
}

TEST(TransformOptionsTest, SurviveARoundTripThroughJson) {
  TrainTransformOptions options, back;
  options.crop = TrainCrop::kPadCrop;
  options.rand_augment = "rand-m7";
  options.erase_mode = EraseMode::kRand;
  from_json(to_json(options), "test", back);
  EXPECT_EQ(back.crop, TrainCrop::kPadCrop);
  EXPECT_EQ(back.rand_augment, "rand-m7");
  EXPECT_EQ(back.erase_mode, EraseMode::kRand);
  EXPECT_EQ(to_json(back), to_json(options));

  EvalTransformOptions eval;
  from_json(to_json(EvalTransformOptions{.resize_short = 77, .mode = EvalMode::kSquash}), "test",
            eval);
  EXPECT_EQ(eval.resize_short, 77);
  EXPECT_EQ(eval.mode, EvalMode::kSquash);
}

}  // namespace
}  // namespace conopa::image
