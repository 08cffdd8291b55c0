#include "conopa/eval/pseudo_mask.h"

#include <gtest/gtest.h>

#include "conopa/core/error.h"

namespace conopa::eval {
namespace {

using Bytes = std::vector<std::uint8_t>;

TEST(TokenMaskTest, ATokenIsPositiveFromHalfItsPixelsOn) {
  // 2x4 pixels, two tokens of 2x2: half of the first, less than half of the second.
  EXPECT_EQ(token_mask(Bytes{255, 0, 255, 0, 255, 0, 0, 0}, 2, 4, 1, 2), (Bytes{1, 0}));
  // Pixels that are covered in part count as such: 2·127 + 255 + 1 = 510 of 1020.
  EXPECT_EQ(token_mask(Bytes{127, 127, 255, 1}, 2, 2, 1, 1), (Bytes{1}));
  EXPECT_EQ(token_mask(Bytes{127, 127, 255, 0}, 2, 2, 1, 1), (Bytes{0}));
}

TEST(TokenMaskTest, TokensKeepTheirPlaces) {
  Bytes pixels(4 * 6);
  for (std::size_t y = 2; y < 4; ++y) {
    for (std::size_t x = 3; x < 6; ++x) pixels[y * 6 + x] = 255;
  }
  EXPECT_EQ(token_mask(pixels, 4, 6, 2, 2), (Bytes{0, 0, 0, 1}));
}

TEST(TokenMaskTest, RefusesSizesThatDoNotDivide) {
  const Bytes pixels(24);
  EXPECT_THROW((void)token_mask(pixels, 4, 6, 3, 2), ShapeError);
  EXPECT_THROW((void)token_mask(pixels, 4, 6, 2, 4), ShapeError);
  EXPECT_THROW((void)token_mask(pixels, 4, 5, 2, 5), ShapeError);
  EXPECT_THROW((void)token_mask(pixels, 4, 6, 0, 2), ShapeError);
}

TEST(PseudoMaskScoreTest, CountsHitsAndErrorsAtEveryThreshold) {
  const std::vector<double> activation{0.05, 0.35, 0.65, 1.0};
  const Bytes mask{0, 0, 1, 1};
  const PseudoMaskScore score = pseudo_mask_score(activation, mask);
  const std::array<double, 9> expected{2.0 / 3, 2.0 / 3, 2.0 / 3, 1, 1, 1, 0.5, 0.5, 0.5};
  EXPECT_EQ(score.iou, expected);
  EXPECT_EQ(score.best_iou(), 1.0);
  EXPECT_EQ(score.best_threshold(), 0.4);  // the first of equal ones
}

TEST(PseudoMaskScoreTest, ComparesStrictly) {
  const std::vector<double> activation{0.5, 0.0};
  EXPECT_EQ(pseudo_mask_score(activation, Bytes{1, 0}).iou[4], 0.0);
  EXPECT_EQ(pseudo_mask_score(activation, Bytes{1, 0}).iou[3], 1.0);
}

TEST(PseudoMaskScoreTest, AnEmptyUnionScoresZero) {
  EXPECT_EQ(pseudo_mask_score(std::vector<double>{0, 0}, Bytes{0, 0}).best_iou(), 0.0);
}

TEST(PseudoMaskScoreTest, RefusesOtherLengths) {
  EXPECT_THROW((void)pseudo_mask_score(std::vector<double>{0.1}, Bytes{0, 1}), ShapeError);
  EXPECT_THROW((void)pseudo_mask_score({}, {}), ShapeError);
}

}  // namespace
}  // namespace conopa::eval
