#include "conopa/eval/rank.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "conopa/core/error.h"
#include "conopa/core/rng.h"

namespace conopa::eval {
namespace {

TEST(SingularValuesTest, DiagonalMatrixGivesSortedMagnitudes) {
  const std::vector<double> sigma =
      singular_values(std::vector<double>{1, 0, 0, 0, -3, 0, 0, 0, 2}, 3, 3);
  EXPECT_EQ(sigma, (std::vector<double>{3, 2, 1}));
}

TEST(SingularValuesTest, MatchesClosedFormOfTwoByTwo) {
  // [[3, 0], [4, 5]]: singular values sqrt(45) and sqrt(5).
  const std::vector<double> sigma = singular_values(std::vector<double>{3, 0, 4, 5}, 2, 2);
  EXPECT_NEAR(sigma[0], std::sqrt(45.0), 1e-14);
  EXPECT_NEAR(sigma[1], std::sqrt(5.0), 1e-14);
}

TEST(SingularValuesTest, RankOneMatrixHasOneValue) {
  std::vector<double> matrix;
  for (int r = 1; r <= 6; ++r) {
    for (int c = 1; c <= 4; ++c) matrix.push_back(r * c);
  }
  const std::vector<double> sigma = singular_values(matrix, 6, 4);
  EXPECT_NEAR(sigma[0], std::sqrt(91.0 * 30.0), 1e-12);
  EXPECT_NEAR(sigma[1], 0.0, 1e-12);
}

TEST(SingularValuesTest, TransposeHasTheSameValuesAndNormIsKept) {
  Rng rng(3, RngPurpose::kTest);
  const std::int64_t rows = 23;
  const std::int64_t cols = 17;
  std::vector<double> matrix(static_cast<std::size_t>(rows * cols));
  for (double& x : matrix) x = rng.normal();
  std::vector<double> transpose;
  for (std::int64_t c = 0; c < cols; ++c) {
    for (std::int64_t r = 0; r < rows; ++r) {
      transpose.push_back(matrix[static_cast<std::size_t>(r * cols + c)]);
    }
  }
  const std::vector<double> a = singular_values(matrix, rows, cols);
  const std::vector<double> b = singular_values(transpose, cols, rows);
  ASSERT_EQ(a.size(), 17U);
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-12);
  EXPECT_NEAR(std::inner_product(a.begin(), a.end(), a.begin(), 0.0),
              std::inner_product(matrix.begin(), matrix.end(), matrix.begin(), 0.0), 1e-9);
}

TEST(SingularValuesTest, TinyValuesSurviveLargeOnes) {
  const std::vector<double> sigma = singular_values(std::vector<double>{1e8, 0, 0, 1e-8}, 2, 2);
  EXPECT_EQ(sigma[1], 1e-8);
}

TEST(SingularValuesTest, RefusesBadInput) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW((void)singular_values(std::vector<double>{1, 2, 3}, 2, 2), ShapeError);
  EXPECT_THROW((void)singular_values(std::vector<double>{}, 0, 0), ShapeError);
  EXPECT_THROW((void)singular_values(std::vector<double>{1, nan}, 1, 2), FormatError);
}

TEST(AttentionRankTest, UniformAndIdentityMapsAreTheTwoExtremes) {
  // Layer 0: every token attends equally (rank 1); layer 1: each token to itself (full rank).
  const std::int64_t n = 10;
  std::vector<double> maps(200, 0.1);
  for (std::size_t i = 100; i < 200; ++i) maps[i] = (i - 100) % 11 == 0 ? 1.0 : 0.0;
  const RankCurves curves = attention_rank(maps, 2, 1, n);
  EXPECT_EQ(curves.index, (std::vector<std::int64_t>{1, 8}));
  EXPECT_NEAR(curves.cumulative[0], 1.0, 1e-12);
  EXPECT_NEAR(curves.cumulative[10], 0.1, 1e-12);
  EXPECT_NEAR(curves.cumulative[19], 1.0, 1e-12);
}

TEST(AttentionRankTest, ZeroMapHasRankZero) {
  EXPECT_EQ(attention_rank(std::vector<double>(9, 0.0), 1, 1, 3).index[0], 0);
}

TEST(AttentionRankTest, RefusesWrongSize) {
  EXPECT_THROW((void)attention_rank(std::vector<double>(8), 1, 1, 3), ShapeError);
}

}  // namespace
}  // namespace conopa::eval
