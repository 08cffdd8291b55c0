#include "conopa/eval/pca.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "conopa/core/error.h"
#include "conopa/core/parallel.h"
#include "conopa/core/rng.h"

namespace conopa::eval {
namespace {

// Rows around (3, ..., 3) that vary by 4, 2 and 1 along three chosen orthogonal directions.
const std::vector<std::vector<double>> kDirections{
    {0.6, -0.8, 0, 0, 0}, {0, 0, 1, 0, 0}, {0, 0, 0, -0.8, 0.6}};

std::vector<float> rows_along(std::int64_t count) {
  Rng rng(4, RngPurpose::kTest);
  std::vector<float> out;
  for (std::int64_t i = 0; i < count; ++i) {
    std::vector<double> row(5, 3.0);
    double deviation = 4.0;
    for (const std::vector<double>& direction : kDirections) {
      const double along = rng.normal(0.0, deviation);
      for (std::size_t d = 0; d < 5; ++d) row[d] += along * direction[d];
      deviation /= 2;
    }
    for (const double x : row) out.push_back(static_cast<float>(x));
  }
  return out;
}

double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

std::span<const double> component(const PcaBasis& basis, std::size_t i) {
  const auto D = static_cast<std::size_t>(basis.dims);
  return std::span(basis.components).subspan(i * D, D);
}

TEST(PcaTest, FindsTheDirectionsOfVariationStrongestFirst) {
  const PcaBasis basis = principal_components(rows_along(20000), 5);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(std::abs(dot(component(basis, i), kDirections[i])), 1.0, 1e-3) << i;
    EXPECT_NEAR(basis.variances[i], 16.0 / std::pow(4.0, i), 0.5);
    EXPECT_NEAR(basis.mean[i], 3.0, 0.1);
  }
  EXPECT_NEAR(basis.total_variance, 21.0, 0.6);
}

TEST(PcaTest, LargestLoadingIsPositive) {
  const PcaBasis basis = principal_components(rows_along(2000), 5);
  EXPECT_GT(component(basis, 0)[1], 0.7);  // −0.8 turned over
  EXPECT_LT(component(basis, 0)[0], -0.5);
  EXPECT_GT(component(basis, 1)[2], 0.9);
  EXPECT_GT(component(basis, 2)[3], 0.7);
}

TEST(PcaTest, ComponentsBeyondTheRankAreOrthogonalWithoutVariance) {
  const std::vector<float> line{1, 1, 1, 1, 2, 2, 1, 1, 4, 4, 1, 1};
  const PcaBasis basis = principal_components(line, 4, 4);
  EXPECT_NEAR(component(basis, 0)[0], std::sqrt(0.5), 1e-9);
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::size_t k = 0; k <= i; ++k) {
      EXPECT_NEAR(dot(component(basis, i), component(basis, k)), i == k ? 1.0 : 0.0, 1e-9);
    }
    EXPECT_NEAR(basis.variances[i], i == 0 ? basis.total_variance : 0.0, 1e-9);
  }
}

TEST(PcaTest, RowsThatAreAllAlikeHaveNoVariance) {
  const PcaBasis basis = principal_components(std::vector<float>(20, 2.5F), 4);
  EXPECT_THAT(basis.variances, testing::Each(0.0));
  EXPECT_THAT(project(std::vector<float>(8, 2.5F), basis), testing::Each(0.0F));
}

TEST(PcaTest, ProjectionHasTheVariancesOfTheBasisAndNoMean) {
  const std::vector<float> rows = rows_along(500);
  const PcaBasis basis = principal_components(rows, 5);
  const std::vector<float> at = project(rows, basis);
  for (std::size_t i = 0; i < 3; ++i) {
    double sum = 0.0;
    double squares = 0.0;
    for (std::size_t m = 0; m < 500; ++m) {
      sum += static_cast<double>(at[m * 3 + i]);
      squares += std::pow(static_cast<double>(at[m * 3 + i]), 2);
    }
    EXPECT_NEAR(sum / 500, 0.0, 1e-5);
    EXPECT_NEAR(squares / 499, basis.variances[i], 1e-4 * basis.variances[i]);
  }
}

TEST(PcaTest, DoesNotDependOnTheThreads) {
  const std::vector<float> rows = rows_along(300);
  const int before = num_threads();
  set_num_threads(1);
  const PcaBasis one = principal_components(rows, 5);
  set_num_threads(3);
  const PcaBasis three = principal_components(rows, 5);
  set_num_threads(before);
  EXPECT_EQ(one.components, three.components);
  EXPECT_EQ(one.variances, three.variances);
}

TEST(PcaTest, RefusesSizesThatDoNotFitAndBadValues) {
  EXPECT_THROW((void)principal_components(std::vector<float>(5), 5), ShapeError);
  EXPECT_THROW((void)principal_components(std::vector<float>(11), 5), ShapeError);
  EXPECT_THROW((void)principal_components(std::vector<float>(10), 2, 3), ShapeError);
  std::vector<float> broken(12);
  broken[3] = std::numeric_limits<float>::infinity();
  EXPECT_THROW((void)principal_components(broken, 4), FormatError);
  EXPECT_THROW((void)project(std::vector<float>(7), principal_components(rows_along(9), 5)),
               ShapeError);
}

}  // namespace
}  // namespace conopa::eval
