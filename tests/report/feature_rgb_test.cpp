#include "conopa/report/feature_rgb.h"

#include <gtest/gtest.h>

#include <limits>

#include "conopa/core/error.h"

namespace conopa::report {
namespace {

TEST(FeatureRgbTest, StretchesEveryComponentOverAllImages) {
  // Two images of 1x2 tokens: component 0 counts 0..3, component 1 falls, component 2 is constant.
  const std::vector<float> values{0, 3, 7, 1, 2, 7, 2, 1, 7, 3, 0, 7};
  const std::vector<image::Image> maps =
      feature_rgb({.components = values, .images = 2, .rows = 1, .cols = 2}, 2, 1);
  ASSERT_EQ(maps.size(), 2U);
  EXPECT_EQ(maps[0].pixels, (std::vector<std::uint8_t>{0, 255, 128, 85, 170, 128}));
  EXPECT_EQ(maps[1].pixels, (std::vector<std::uint8_t>{170, 85, 128, 255, 0, 128}));
}

TEST(FeatureRgbTest, CutsOffTwoPercentAtEitherEnd) {
  std::vector<float> values;
  for (int i = 0; i < 100; ++i) values.insert(values.end(), 3, static_cast<float>(i));
  values[0] = -1e6F;      // of token 0
  values[99 * 3] = 1e6F;  // of token 99
  const image::Image map =
      feature_rgb({.components = values, .images = 1, .rows = 10, .cols = 10}, 10, 10).front();
  EXPECT_EQ(map.row(0)[0], 0);
  EXPECT_EQ(map.row(0)[2 * 3], 0);    // the 2 % quantile
  EXPECT_EQ(map.row(0)[3 * 3], 3);    // 255 / 95
  EXPECT_EQ(map.row(9)[7 * 3], 255);  // the 98 % quantile
  EXPECT_EQ(map.row(9)[9 * 3], 255);
}

TEST(FeatureRgbTest, TokensBecomeRectangles) {
  const std::vector<float> values{0, 0, 0, 9, 9, 9, 9, 9, 9, 0, 0, 0};
  const image::Image map =
      feature_rgb({.components = values, .images = 1, .rows = 2, .cols = 2}, 8, 4).front();
  EXPECT_EQ(map.width, 8);
  EXPECT_EQ(map.height, 4);
  EXPECT_EQ(map.row(1)[3 * 3], 0);
  EXPECT_EQ(map.row(1)[4 * 3], 255);
  EXPECT_EQ(map.row(2)[3 * 3], 255);
}

TEST(FeatureRgbTest, RefusesSizesThatDoNotFitAndBadValues) {
  std::vector<float> values(12);
  EXPECT_THROW((void)feature_rgb({.components = values, .images = 1, .rows = 2, .cols = 3}, 4, 4),
               ShapeError);
  EXPECT_THROW((void)feature_rgb({.components = values, .images = 1, .rows = 2, .cols = 2}, 0, 4),
               ShapeError);
  values[5] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW((void)feature_rgb({.components = values, .images = 1, .rows = 2, .cols = 2}, 4, 4),
               FormatError);
}

}  // namespace
}  // namespace conopa::report
