#include "conopa/image/ops.h"

#include <gtest/gtest.h>

#include <fstream>
#include <limits>
#include <string>

#include "conopa/core/error.h"
#include "conopa/image/geometry.h"
#include "tests/image/test_images.h"

namespace conopa::image {
namespace {

using testing::data_folder;
using testing::synthetic;

constexpr Fill kFill = {124, 116, 104, 0};

Image apply_named(const std::string& name, const std::string& filter_name, double value,
                  const Image& image) {
  const int whole = static_cast<int>(value);
  if (name == "invert") return invert(image);
  if (name == "autocontrast") return autocontrast(image);
  if (name == "equalize") return equalize(image);
  if (name == "posterize") return posterize(image, whole);
  if (name == "solarize") return solarize(image, whole);
  if (name == "solarize_add") return solarize_add(image, whole);
  if (name == "grayscale") return grayscale(image);
  if (name == "brightness") return adjust_brightness(image, value);
  if (name == "contrast") return adjust_contrast(image, value);
  if (name == "color") return adjust_color(image, value);
  if (name == "sharpness") return adjust_sharpness(image, value);
  if (name == "hue") return adjust_hue(image, value);
  if (name == "gaussian_blur") return gaussian_blur(image, value);
  const Filter filter = enum_from_name<Filter>(filter_name).value();
  if (name == "rotate") return rotate(image, value, filter, kFill);
  if (name == "shear_x") return shear_x(image, value, filter, kFill);
  if (name == "shear_y") return shear_y(image, value, filter, kFill);
  if (name == "translate_x") return translate_x(image, value, filter, kFill);
  if (name == "translate_y") return translate_y(image, value, filter, kFill);
  ADD_FAILURE() << "unknown operation " << name;
  return image;
}

TEST(OpsTest, EqualPilByteForByte) {
  std::ifstream file(data_folder() / "ops.txt");
  std::string name, filter, hash;
  std::int64_t w = 0, h = 0, c = 0;
  std::uint64_t seed = 0;
  double value = 0;
  int count = 0;
  while (file >> name >> filter >> w >> h >> c >> seed >> value >> hash) {
    const Image out = apply_named(name, filter, value, synthetic(w, h, c, seed));
    EXPECT_EQ(testing::fnv(out), hash)
        << name << ' ' << filter << ' ' << value << " on " << w << 'x' << h << 'x' << c;
    ++count;
  }
  EXPECT_GT(count, 200);
}

TEST(OpsTest, NeutralArgumentsChangeNothing) {
  const Image image = synthetic(17, 12, 3, 4);
  EXPECT_EQ(adjust_brightness(image, 1.0), image);
  EXPECT_EQ(adjust_contrast(image, 1.0), image);
  EXPECT_EQ(adjust_color(image, 1.0), image);
  EXPECT_EQ(adjust_sharpness(image, 1.0), image);
  EXPECT_EQ(posterize(image, 8), image);
  EXPECT_EQ(solarize(image, 256), image);
  EXPECT_EQ(gaussian_blur(image, 0.0), image);
  EXPECT_EQ(invert(invert(image)), image);
  for (const Filter filter : {Filter::kNearest, Filter::kBilinear, Filter::kBicubic}) {
    EXPECT_EQ(affine(image, 17, 12, {1, 0, 0, 0, 1, 0}, filter, kFill), image);
    EXPECT_EQ(translate_x(translate_x(image, 0, filter, kFill), 0, filter, kFill), image);
  }
}

TEST(OpsTest, FullTurnsOfASquareAreExact) {
  const Image image = synthetic(9, 9, 3, 6);
  Image turned = image;
  for (int i = 0; i < 4; ++i) turned = rotate(turned, 90, Filter::kBilinear, kFill);
  EXPECT_EQ(turned, image);
  EXPECT_EQ(rotate(image, -90, Filter::kBicubic, kFill), rotate_quarter(image, 3));
}

TEST(OpsTest, TranslationShowsTheFillColour) {
  const Image image = synthetic(6, 4, 3, 8);
  const Image moved = translate_x(image, 2, Filter::kNearest, kFill);
  EXPECT_EQ(crop(moved, 0, 0, 4, 4), crop(image, 2, 0, 4, 4));
  EXPECT_EQ(moved.row(1)[4 * 3], 124);
  EXPECT_EQ(moved.row(1)[4 * 3 + 1], 116);
  EXPECT_EQ(moved.row(1)[5 * 3 + 2], 104);
}

TEST(OpsTest, TransparentPixelsDoNotBleed) {
  Image image(2, 1, 4);
  image.pixels = {200, 200, 200, 255, 0, 0, 0, 0};
  const Image half = translate_x(image, 0.5, Filter::kBilinear, Fill{});
  EXPECT_GE(half.pixels[0], 198);  // 100 if colours were mixed without regard to alpha
  EXPECT_EQ(half.pixels[3], 127);
}

TEST(OpsTest, LargeCoordinatesNeedNoFixedPoint) {
  const Image image = synthetic(8, 8, 1, 3);
  const Image out = affine(image, 3, 3, {1e5, 1, 0, 1, 1e5, 0}, Filter::kNearest, kFill);
  EXPECT_EQ(out.row(2)[2], 124);
  const Image huge = affine(image, 3, 3, {1e300, 1, 0, 1, -1e300, 0}, Filter::kNearest, kFill);
  EXPECT_EQ(huge.row(1)[1], 124);
  // inf - inf on the way
  const Image undefined =
      affine(image, 3, 3, {1.7e308, -1.7e308, 0, 1, 1, 0}, Filter::kBicubic, kFill);
  EXPECT_EQ(undefined.row(2)[2], 124);
}

TEST(OpsTest, RefuseImpossibleArguments) {
  const Image rgb = synthetic(4, 4, 3, 1);
  const Image rgba = synthetic(4, 4, 4, 1);
  EXPECT_THROW(static_cast<void>(equalize(rgba)), ShapeError);
  EXPECT_THROW(static_cast<void>(adjust_color(rgba, 0.5)), ShapeError);
  EXPECT_THROW(static_cast<void>(gaussian_blur(rgb, -1.0)), ConfigError);
  EXPECT_THROW(static_cast<void>(posterize(rgb, 9)), ConfigError);
  EXPECT_THROW(static_cast<void>(adjust_hue(rgb, 0.6)), ConfigError);
  EXPECT_THROW(static_cast<void>(rotate(rgb, 10, Filter::kLanczos, kFill)), ConfigError);
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_THROW(static_cast<void>(translate_x(rgb, infinity, Filter::kNearest, kFill)), ConfigError);
}

}  // namespace
}  // namespace conopa::image
