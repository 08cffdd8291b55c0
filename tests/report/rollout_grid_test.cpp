#include <gtest/gtest.h>

#include "conopa/core/error.h"
#include "conopa/report/plot.h"

namespace conopa::report {
namespace {

CaptionedImage filled(std::int64_t side, std::uint8_t value) {
  CaptionedImage out{.caption = "input", .image = image::Image(side, side, 3)};
  out.image.pixels.assign(out.image.pixels.size(), value);
  return out;
}

TEST(RolloutGridTest, PutsTheStepsOfAnImageInOneRow) {
  const image::Image grid = rollout_grid({{filled(8, 10), filled(8, 20), filled(8, 30)},
                                          {filled(8, 40), filled(8, 50), filled(8, 60)}},
                                         20);
  // 8 px become 24, the next multiple; gaps of 4.
  EXPECT_EQ(grid.width, 3 * 24 + 2 * 4);
  EXPECT_EQ(grid.height, 2 * 24 + 4);
  EXPECT_EQ(grid.row(23)[23 * 4], 10);
  EXPECT_EQ(grid.row(23)[24 * 4 + 3], 0);  // the gap is transparent
  EXPECT_EQ(grid.row(0)[56 * 4], 30);
  EXPECT_EQ(grid.row(28)[28 * 4], 50);
}

TEST(RolloutGridTest, LargePicturesKeepTheirSize) {
  EXPECT_EQ(rollout_grid({{filled(30, 1)}}, 20).height, 30);
  EXPECT_EQ(rollout_grid({}).width, 0);
}

TEST(RolloutGridTest, RefusesRowsThatDiffer) {
  EXPECT_THROW((void)rollout_grid({{filled(8, 1)}, {filled(8, 1), filled(8, 2)}}), ShapeError);
  EXPECT_THROW((void)rollout_grid({{}}), ShapeError);
  EXPECT_THROW((void)rollout_grid({{CaptionedImage{}}}), ShapeError);
  EXPECT_THROW((void)rollout_grid({{filled(8, 1)}}, 0), ConfigError);
}

}  // namespace
}  // namespace conopa::report
