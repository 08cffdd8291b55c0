#include <gtest/gtest.h>

#include "conopa/core/error.h"
#include "conopa/report/plot.h"

namespace conopa::report {
namespace {

image::Image filled(std::int64_t width, std::int64_t height, std::int64_t channels,
                    std::uint8_t value) {
  image::Image out(width, height, channels);
  out.pixels.assign(out.pixels.size(), value);
  return out;
}

std::vector<std::uint8_t> pixel(const image::Image& image, std::int64_t x, std::int64_t y) {
  return {image.row(y) + x * 4, image.row(y) + x * 4 + 4};
}

using Rgba = std::vector<std::uint8_t>;

TEST(ImageGridTest, PlacesImagesOfAnyKindCentredInEqualCells) {
  const image::Image grid =
      image_grid({filled(2, 2, 1, 10), filled(4, 2, 3, 20), filled(2, 4, 4, 30)}, 2, 1);
  EXPECT_EQ(grid.width, 9);
  EXPECT_EQ(grid.height, 9);
  EXPECT_EQ(grid.channels, 4);
  EXPECT_EQ(pixel(grid, 0, 1), (Rgba{0, 0, 0, 0}));       // beside the first image
  EXPECT_EQ(pixel(grid, 1, 1), (Rgba{10, 10, 10, 255}));  // gray becomes opaque RGBA
  EXPECT_EQ(pixel(grid, 5, 1), (Rgba{20, 20, 20, 255}));
  EXPECT_EQ(pixel(grid, 1, 5), (Rgba{30, 30, 30, 30}));  // own alpha kept
  EXPECT_EQ(pixel(grid, 4, 4), (Rgba{0, 0, 0, 0}));      // gap
  EXPECT_EQ(pixel(grid, 8, 8), (Rgba{0, 0, 0, 0}));      // empty fourth cell
}

TEST(ImageGridTest, FewerImagesThanColumnsMakeANarrowGrid) {
  EXPECT_EQ(image_grid({filled(3, 3, 1, 0)}, 8, 2).width, 3);
  EXPECT_TRUE(image_grid({}, 8).pixels.empty());
}

TEST(ImageGridTest, RefusesBadLayout) {
  EXPECT_THROW((void)image_grid({filled(3, 3, 1, 0)}, 0), ConfigError);
  EXPECT_THROW((void)image_grid({filled(3, 3, 1, 0)}, 1, -1), ConfigError);
}

}  // namespace
}  // namespace conopa::report
