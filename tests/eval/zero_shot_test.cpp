#include "conopa/eval/zero_shot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "conopa/core/error.h"

namespace conopa::eval {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::IsNan;
using ::testing::Pointwise;

using Vector = std::vector<float>;

TEST(ClassTextsTest, AveragesUnitVectorsAndMakesTheMeanOne) {
  ClassTexts texts(2, 2);
  texts.add(0, Vector{3.0F, 0.0F});
  texts.add(0, Vector{0.0F, 0.1F});  // as heavy as the first: length does not count
  texts.add(1, Vector{-4.0F, 3.0F});

  const float half = std::sqrt(0.5F);
  EXPECT_THAT(texts.unit_rows(), Pointwise(FloatNear(1e-7F), Vector{half, half, -0.8F, 0.6F}));
}

TEST(ClassTextsTest, WeighsDirectionsByTheirNumber) {
  ClassTexts texts(1, 2);
  texts.add(0, Vector{1.0F, 0.0F});
  texts.add(0, Vector{2.0F, 0.0F});
  texts.add(0, Vector{0.0F, 5.0F});

  const float length = std::sqrt(5.0F);
  EXPECT_THAT(texts.unit_rows(), Pointwise(FloatNear(1e-7F), Vector{2 / length, 1 / length}));
}

TEST(ClassTextsTest, RefusesWhatHasNoDirection) {
  ClassTexts texts(2, 2);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW(texts.add(0, Vector{0.0F, 0.0F}), RunError);
  EXPECT_THROW(texts.add(0, Vector{1.0F, nan}), RunError);
  texts.add(0, Vector{1.0F, 0.0F});
  EXPECT_THROW((void)texts.unit_rows(), RunError);  // nothing of the second class
  texts.add(1, Vector{1.0F, 0.0F});
  EXPECT_THAT(texts.unit_rows(), ElementsAre(1.0F, 0.0F, 1.0F, 0.0F));
  texts.add(1, Vector{-1.0F, 0.0F});
  EXPECT_THROW((void)texts.unit_rows(), RunError);  // they cancel out
}

TEST(ClassTextsTest, RefusesWhatDoesNotFit) {
  EXPECT_THROW(ClassTexts(0, 2), ConfigError);
  EXPECT_THROW(ClassTexts(2, 0), ConfigError);
  ClassTexts texts(2, 2);
  EXPECT_THROW(texts.add(2, Vector{1.0F, 0.0F}), ShapeError);
  EXPECT_THROW(texts.add(-1, Vector{1.0F, 0.0F}), ShapeError);
  EXPECT_THROW(texts.add(0, Vector{1.0F}), ShapeError);
}

TEST(SimilarityTest, ScaleStaysBetween1And100) {
  EXPECT_DOUBLE_EQ(similarity_scale(2.0), std::exp(2.0));
  EXPECT_DOUBLE_EQ(similarity_scale(-1.0), 1.0);
  EXPECT_NEAR(similarity_scale(5.0), 100.0, 1e-12);
}

TEST(SimilarityTest, IsTheScaledCosine) {
  const Vector images{0.0F, 2.0F, 3.0F, 4.0F};
  const Vector classes{1.0F, 0.0F, 0.0F, 1.0F, 0.6F, 0.8F};

  EXPECT_THAT(similarity_logits(images, classes, 2, 10.0),
              Pointwise(FloatNear(1e-5F), Vector{0.0F, 10.0F, 8.0F, 6.0F, 8.0F, 10.0F}));
}

TEST(SimilarityTest, ShowsImagesWithoutDirection) {
  EXPECT_THAT(similarity_logits(Vector{0.0F, 0.0F}, Vector{1.0F, 0.0F}, 2, 1.0),
              ElementsAre(IsNan()));
  EXPECT_THROW((void)similarity_logits(Vector{1.0F}, Vector{1.0F, 0.0F}, 2, 1.0), ShapeError);
}

}  // namespace
}  // namespace conopa::eval
