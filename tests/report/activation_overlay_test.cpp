#include "conopa/report/activation_overlay.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "conopa/core/error.h"

namespace conopa::report {
namespace {

image::Image gray_picture(std::int64_t width, std::int64_t height, std::uint8_t level) {
  image::Image out(width, height, 3);
  std::fill(out.pixels.begin(), out.pixels.end(), level);
  return out;
}

std::vector<int> pixel(const image::Image& picture, std::int64_t x, std::int64_t y) {
  const std::uint8_t* at = picture.row(y) + 3 * x;
  return {at[0], at[1], at[2]};
}

TEST(ActivationOverlayTest, LightnessRisesWithTheValue) {
  std::vector<double> values;
  for (int i = 0; i <= 100; ++i) values.push_back(i / 100.0);
  const image::Image out =
      activation_overlay(gray_picture(101, 1, 0), {.values = values, .rows = 1, .cols = 101}, 1.0);
  const image::Image gray = image::to_gray(out);
  for (std::size_t i = 1; i < gray.pixels.size(); ++i) {
    EXPECT_GE(gray.pixels[i], gray.pixels[i - 1]) << i;
  }
  EXPECT_LT(gray.pixels.front(), 40);
  EXPECT_GT(gray.pixels.back(), 220);
}

TEST(ActivationOverlayTest, TokensBecomeRectanglesOverThePicture) {
  const std::vector<double> values{0.0, 1.0, 1.0, 0.0};
  const image::Image out =
      activation_overlay(gray_picture(8, 4, 100), {.values = values, .rows = 2, .cols = 2}, 0.5);
  EXPECT_EQ(out.width, 8);
  EXPECT_EQ(out.height, 4);
  EXPECT_EQ(out.channels, 3);
  EXPECT_EQ(pixel(out, 0, 0), (std::vector<int>{58, 59, 96}));  // half of (16, 18, 92) and of 100
  EXPECT_EQ(pixel(out, 3, 1), pixel(out, 0, 0));
  EXPECT_EQ(pixel(out, 7, 3), pixel(out, 0, 0));
  EXPECT_EQ(pixel(out, 4, 0), pixel(out, 3, 3));
  EXPECT_NE(pixel(out, 4, 0), pixel(out, 0, 0));
}

TEST(ActivationOverlayTest, NothingIsLeftOfThePicturesColours) {
  image::Image red(2, 2, 3);
  for (std::size_t i = 0; i < red.pixels.size(); i += 3) red.pixels[i] = 255;
  const std::vector<double> value{0.5};
  const image::Image out = activation_overlay(red, {.values = value, .rows = 1, .cols = 1}, 0.0);
  EXPECT_EQ(pixel(out, 1, 1), (std::vector<int>{76, 76, 76}));
}

TEST(ActivationOverlayTest, RefusesSizesAndValues) {
  const image::Image picture = gray_picture(4, 4, 0);
  const std::vector<double> two{0.0, 1.0};
  EXPECT_THROW((void)activation_overlay(picture, {.values = two, .rows = 2, .cols = 2}),
               ShapeError);
  EXPECT_THROW((void)activation_overlay({}, {.values = two, .rows = 1, .cols = 2}), ShapeError);
  EXPECT_THROW((void)activation_overlay(picture, {.values = two, .rows = 1, .cols = 2}, 1.5),
               ConfigError);
  for (const double bad : {-0.1, 1.1, std::numeric_limits<double>::quiet_NaN()}) {
    const std::vector<double> values{bad};
    EXPECT_THROW((void)activation_overlay(picture, {.values = values, .rows = 1, .cols = 1}),
                 FormatError);
  }
}

TEST(MaskOverlayTest, HitsFalseAlarmsAndMissesDiffer) {
  const std::vector<std::uint8_t> found{1, 1, 0, 0};
  const std::vector<std::uint8_t> truth{1, 0, 1, 0};
  const image::Image out = mask_overlay(
      gray_picture(8, 1, 90), {.found = found, .truth = truth, .rows = 1, .cols = 4}, 1.0);
  EXPECT_EQ(pixel(out, 0, 0), (std::vector<int>{58, 110, 165}));
  EXPECT_EQ(pixel(out, 2, 0), (std::vector<int>{201, 102, 47}));
  EXPECT_EQ(pixel(out, 5, 0), (std::vector<int>{122, 98, 168}));
  EXPECT_EQ(pixel(out, 7, 0), (std::vector<int>{90, 90, 90}));
  const std::vector<std::uint8_t> three(3);
  EXPECT_THROW((void)mask_overlay(out, {.found = found, .truth = three, .rows = 1, .cols = 4}),
               ShapeError);
}

}  // namespace
}  // namespace conopa::report
