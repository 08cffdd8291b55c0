// Which column and row every token stands at, against values written down by hand.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/arch/rotary.h"
#include "tests/arch/specs.h"

namespace conopa::arch {
namespace {

using testing::ElementsAre;

Coordinates tokens(EncoderSpec spec) {
  spec.resolve();
  return token_coordinates(spec);
}

TEST(TokenCoordinatesTest, RunRowByRow) {
  const Coordinates at = tokens(plane_spec(16, 24));
  EXPECT_THAT(at.x, ElementsAre(0, 1, 2, 0, 1, 2));
  EXPECT_THAT(at.y, ElementsAre(0, 0, 0, 1, 1, 1));
}

TEST(TokenCoordinatesTest, OfficialGridHasRowsOfTheSquareRoot) {
  EncoderSpec spec = plane_spec(16, 24);
  spec.rope_grid = RopeGrid::kOfficial;
  const Coordinates at = tokens(spec);  // floor(sqrt(6)) = 2
  EXPECT_THAT(at.x, ElementsAre(0, 1, 0, 1, 0, 1));
  EXPECT_THAT(at.y, ElementsAre(0, 0, 1, 1, 2, 2));
}

TEST(TokenCoordinatesTest, AnchorScalesEachAxisByItsOwnSize) {
  EncoderSpec spec = plane_spec(16, 24);
  spec.rope_scaling = RopeScaling::kAnchor;
  spec.rope_anchor = 12;
  const Coordinates at = tokens(spec);  // 12/24 and 12/16
  EXPECT_THAT(at.x, ElementsAre(0, 0.5, 1, 0, 0.5, 1));
  EXPECT_THAT(at.y, ElementsAre(0, 0, 0, 0.75, 0.75, 0.75));
}

TEST(TokenCoordinatesTest, OfficialAnchorScalesBothAxesByTheHeight) {
  EncoderSpec spec = plane_spec(16, 24);
  spec.rope_grid = RopeGrid::kOfficial;
  spec.rope_scaling = RopeScaling::kAnchor;
  spec.rope_anchor = 12;
  const Coordinates at = tokens(spec);
  EXPECT_THAT(at.x, ElementsAre(0, 0.75, 0, 0.75, 0, 0.75));
  EXPECT_THAT(at.y, ElementsAre(0, 0, 0.75, 0.75, 1.5, 1.5));
}

TEST(TokenCoordinatesTest, AnchorLeftOutIsTheHeightAtResolve) {
  EncoderSpec spec = plane_spec(16, 16);
  spec.rope_scaling = RopeScaling::kAnchor;
  EXPECT_THAT(tokens(spec).x, ElementsAre(0, 1, 0, 1));
}

TEST(TokenCoordinatesTest, TheClassTokenWrapsStaysOrIsFixed) {
  EncoderSpec spec = plane_spec(16, 16);
  spec.class_token = ClassToken::kFront;
  spec.rope_scale = 2.0;
  EXPECT_THAT(tokens(spec).x, ElementsAre(2, 0, 2, 0, 2));   // column R−1, scaled
  EXPECT_THAT(tokens(spec).y, ElementsAre(-2, 0, 0, 2, 2));  // row −1, scaled
  spec.rope_class = RopeClass::kWrappedZero;
  EXPECT_EQ(tokens(spec).x[0], 2.0);
  EXPECT_EQ(tokens(spec).y[0], 0.0);
  spec.rope_class = RopeClass::kFixed;
  spec.rope_class_at = 3;
  EXPECT_EQ(tokens(spec).x[0], 3.0);  // not scaled
  EXPECT_EQ(tokens(spec).y[0], 3.0);
  spec.class_token = ClassToken::kBack;
  EXPECT_EQ(tokens(spec).x[4], 3.0);
}

TEST(TokenCoordinatesTest, ALateClassTokenHasNoPlace) {
  EncoderSpec spec = plane_spec(16, 16);
  spec.class_token = ClassToken::kLate;
  EXPECT_THAT(tokens(spec).x, ElementsAre(0, 1, 0, 1));
}

TEST(TokenCoordinatesTest, OnALineTheClassTokenIsOneOfTheSequence) {
  EncoderSpec spec = plane_spec(16, 16);
  spec.rotary = Rotary::kLine;
  spec.class_token = ClassToken::kBack;
  spec.rope_scale = 0.5;
  EXPECT_THAT(tokens(spec).x, ElementsAre(0, 0.5, 1, 1.5, 2));
}

class PyramidCoordinatesTest : public testing::Test {
 protected:
  // First stage: a map of 4x6 tokens, keys pooled by 2.
  Coordinates keys(RopeKeys rule) {
    spec_.rope_keys = rule;
    spec_.resolve();
    return key_coordinates(spec_, spec_.stages()[0]);
  }

  EncoderSpec spec_ = pyramid_spec();
};

TEST_F(PyramidCoordinatesTest, PaperKeysStandAmongTheTokensTheyPool) {
  const Coordinates at = keys(RopeKeys::kPaper);
  EXPECT_THAT(at.x, ElementsAre(0.5, 2.5, 4.5, 0.5, 2.5, 4.5));
  EXPECT_THAT(at.y, ElementsAre(0.5, 0.5, 0.5, 2.5, 2.5, 2.5));
}

TEST_F(PyramidCoordinatesTest, OfficialKeysRunAlongTheFullRow) {
  const Coordinates at = keys(RopeKeys::kOfficial);  // index mod 6, not mod 3
  EXPECT_THAT(at.x, ElementsAre(0.5, 2.5, 4.5, 6.5, 8.5, 10.5));
  EXPECT_THAT(at.y, ElementsAre(0.5, 0.5, 0.5, 0.5, 0.5, 0.5));
}

TEST_F(PyramidCoordinatesTest, TheRulesAgreeWithoutPooling) {
  const Coordinates paper = [this] {
    static_cast<void>(keys(RopeKeys::kPaper));
    return key_coordinates(spec_, spec_.stages()[1]);
  }();
  static_cast<void>(keys(RopeKeys::kOfficial));
  const Coordinates official = key_coordinates(spec_, spec_.stages()[1]);
  EXPECT_EQ(paper.x, official.x);
  EXPECT_EQ(paper.y, official.y);
  EXPECT_EQ(paper.x, query_coordinates(spec_, spec_.stages()[1]).x);
}

TEST_F(PyramidCoordinatesTest, Official14ScalesByTheRowsOfTheMap) {
  spec_.rope_scaling = RopeScaling::kOfficial14;
  spec_.resolve();
  const Coordinates first = query_coordinates(spec_, spec_.stages()[0]);
  EXPECT_EQ(first.x[1], 3.5);  // 14 / 4 rows, for both axes
  EXPECT_EQ(first.y[6], 3.5);
  EXPECT_EQ(query_coordinates(spec_, spec_.stages()[1]).x[1], 7.0);  // 14 / 2 rows
  EXPECT_EQ(keys(RopeKeys::kPaper).x[0], 1.75);
}

TEST_F(PyramidCoordinatesTest, AnchorIsOneInEveryStageAtTheAnchor) {
  spec_.height = spec_.width = 32;
  spec_.rope_scaling = RopeScaling::kAnchor;
  spec_.rope_anchor = 16;
  spec_.resolve();
  for (const Stage& stage : spec_.stages()) {
    EXPECT_EQ(query_coordinates(spec_, stage).x[1], 0.5);
  }
}

TEST_F(PyramidCoordinatesTest, WindowsCountFromTheirOwnCornerUnscaled) {
  spec_.rope_scaling = RopeScaling::kOfficial14;
  spec_.resolve();
  const Coordinates at = window_coordinates(spec_, spec_.stages()[0], 2, 3);
  EXPECT_THAT(at.x, ElementsAre(0, 1, 2, 0, 1, 2));
  EXPECT_THAT(at.y, ElementsAre(0, 0, 0, 1, 1, 1));
}

TEST_F(PyramidCoordinatesTest, OnALineKeysHaveTheMeanIndexTheyPool) {
  spec_.rotary = Rotary::kLine;
  // Tokens 0, 1, 6, 7 of rows of six.
  EXPECT_EQ(keys(RopeKeys::kPaper).x[0], 3.5);
  EXPECT_THAT(window_coordinates(spec_, spec_.stages()[0], 2, 2).x, ElementsAre(0, 1, 4, 5));
}

}  // namespace
}  // namespace conopa::arch
