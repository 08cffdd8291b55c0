#include "conopa/image/image.h"

#include <gtest/gtest.h>

#include "conopa/core/error.h"
#include "tests/image/test_images.h"

namespace conopa::image {
namespace {

using testing::synthetic;

TEST(ImageTest, RefusesImpossibleDimensions) {
  EXPECT_THROW(Image(0, 4, 3), ShapeError);
  EXPECT_THROW(Image(4, -1, 3), ShapeError);
  EXPECT_THROW(Image(4, 4, 2), ShapeError);
  EXPECT_THROW(Image(std::int64_t{1} << 40, std::int64_t{1} << 40, 4), ShapeError);
}

TEST(ImageViewTest, RefusesPixelsOfAnotherLength) {
  const std::vector<std::uint8_t> pixels(11);
  EXPECT_THROW(ImageView(pixels, 2, 2, 3), ShapeError);
}

TEST(ImageViewTest, WindowSharesPixelsAndMustLieInside) {
  const Image image = synthetic(6, 5, 3, 1);
  const ImageView window = ImageView(image).window(2, 1, 3, 4);
  EXPECT_EQ(window.row(0), image.row(1) + 6);
  EXPECT_EQ(Image(window), crop(image, 2, 1, 3, 4));
  EXPECT_THROW(static_cast<void>(ImageView(image).window(4, 0, 3, 1)), ShapeError);
  EXPECT_THROW(static_cast<void>(ImageView(image).window(0, 0, 0, 1)), ShapeError);
  EXPECT_THROW(static_cast<void>(ImageView(image).window(0, 1, 1, 5)), ShapeError);
}

TEST(ImageTest, GrayIsRepeatedAndAlphaDropped) {
  Image gray(2, 1, 1);
  gray.pixels = {7, 200};
  EXPECT_EQ(to_rgb(gray).pixels, (std::vector<std::uint8_t>{7, 7, 7, 200, 200, 200}));
  Image rgba(1, 1, 4);
  rgba.pixels = {10, 20, 30, 0};
  EXPECT_EQ(to_rgb(rgba).pixels, (std::vector<std::uint8_t>{10, 20, 30}));
}

TEST(ImageTest, LumaUsesRoundedIntegerWeights) {
  Image rgb(4, 1, 3);
  rgb.pixels = {255, 0, 0, 0, 255, 0, 0, 0, 255, 1, 2, 3};
  // 255*19595 = 76.24 * 65536, and so on; the last pixel is 1.815 rounded up.
  EXPECT_EQ(to_gray(rgb).pixels, (std::vector<std::uint8_t>{76, 150, 29, 2}));
  EXPECT_THROW(static_cast<void>(to_channels(rgb, 4)), ShapeError);
}

TEST(ImageTest, PadsWithAConstantOrMirrored) {
  Image row(3, 1, 1);
  row.pixels = {1, 2, 3};
  EXPECT_EQ(pad(row, {2, 0, 1, 0}, PadMode::kConstant, 9).pixels,
            (std::vector<std::uint8_t>{9, 9, 1, 2, 3, 9}));
  EXPECT_EQ(pad(row, {2, 0, 2, 0}, PadMode::kReflect).pixels,
            (std::vector<std::uint8_t>{3, 2, 1, 2, 3, 2, 1}));
  EXPECT_THROW(static_cast<void>(pad(row, {3, 0, 0, 0}, PadMode::kReflect)), ShapeError);
  EXPECT_THROW(static_cast<void>(pad(row, {-1, 0, 0, 0})), ShapeError);
}

TEST(ImageTest, PadAndCropIsIdentity) {
  const Image image = synthetic(7, 5, 3, 3);
  EXPECT_EQ(crop(pad(image, {2, 3, 4, 1}), 2, 3, 7, 5), image);
  EXPECT_EQ(crop(pad(image, {2, 3, 4, 1}, PadMode::kReflect), 2, 3, 7, 5), image);
}

TEST(ImageTest, FlipsAndTurnsAreGroupElements) {
  for (const std::int64_t channels : {1, 3, 4}) {
    const Image image = synthetic(7, 5, channels, 5);
    EXPECT_EQ(flip_horizontal(flip_horizontal(image)), image);
    EXPECT_EQ(flip_vertical(flip_vertical(image)), image);
    EXPECT_EQ(flip_horizontal(flip_vertical(image)), rotate_quarter(image, 2));
    EXPECT_EQ(rotate_quarter(rotate_quarter(image, 1), 3), image);
    EXPECT_EQ(rotate_quarter(image, -1), rotate_quarter(image, 7));
    EXPECT_NE(flip_horizontal(image), image);
  }
}

TEST(ImageTest, QuarterTurnIsCounterClockwise) {
  Image image(2, 1, 1);
  image.pixels = {1, 2};  // right pixel comes to the top
  const Image turned = rotate_quarter(image, 1);
  EXPECT_EQ(turned.width, 1);
  EXPECT_EQ(turned.pixels, (std::vector<std::uint8_t>{2, 1}));
}

TEST(ImageTest, OrientationsFollowTheExifTable) {
  Image image(2, 2, 1);
  image.pixels = {1, 2, 3, 4};
  const std::vector<std::vector<std::uint8_t>> expected = {{1, 2, 3, 4}, {2, 1, 4, 3}, {4, 3, 2, 1},
                                                           {3, 4, 1, 2}, {1, 3, 2, 4}, {3, 1, 4, 2},
                                                           {4, 2, 3, 1}, {2, 4, 1, 3}};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    EXPECT_EQ(apply_orientation(image, orientation).pixels,
              expected[static_cast<std::size_t>(orientation - 1)])
        << orientation;
  }
  EXPECT_EQ(apply_orientation(image, 99), image);
}

}  // namespace
}  // namespace conopa::image
