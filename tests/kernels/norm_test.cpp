#include "conopa/kernels/norm.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "conopa/core/error.h"
#include "conopa/kernels/reduce.h"
#include "kernels/reference/rowwise.h"
#include "tests/kernels/train_ops_support.h"

namespace conopa::kernels {
namespace {

using testing_support::fast_rows;
using testing_support::FastOpsTest;
using testing_support::isa_test_name;
using testing_support::random_doubles;
using testing_support::random_floats;
using testing_support::reference_ops;
using testing_support::relative_error;
using testing_support::ScopedThreads;

struct Case {
  NormKind kind;
  std::int64_t rows, width;
  bool residual;
  std::int64_t rows_per_sample;  // 0: no sample scale
};

struct Results {
  std::vector<float> sum, y, mean, inv_std, dx, dbranch, dweight, dbias;
};

Results run(const TrainOps& ops, const Case& c) {
  const NormShape shape{.kind = c.kind, .rows = c.rows, .width = c.width, .eps = 1e-5F};
  const auto size = static_cast<std::size_t>(c.rows * c.width);
  const auto rows = static_cast<std::size_t>(c.rows);
  const auto width = static_cast<std::size_t>(c.width);
  const auto x = random_floats(c.rows * c.width, 1, 2.0);
  const auto branch = random_floats(c.rows * c.width, 2);
  const auto weight = random_floats(c.width, 3);
  const auto bias = random_floats(c.width, 4);
  const auto dy = random_floats(c.rows * c.width, 5);
  const auto dsum = random_floats(c.rows * c.width, 6);
  const auto scales =
      c.rows_per_sample > 0 ? random_floats(c.rows / c.rows_per_sample, 7) : std::vector<float>{};
  const bool layer = c.kind == NormKind::kLayer;
  Results r{.sum = std::vector<float>(size),
            .y = std::vector<float>(size),
            .mean = std::vector<float>(layer ? rows : 0),
            .inv_std = std::vector<float>(rows),
            .dx = std::vector<float>(size),
            .dbranch = std::vector<float>(size),
            .dweight = std::vector<float>(width, 9.0F),
            .dbias = std::vector<float>(layer ? width : 0, 9.0F)};
  Residual residual{.sample_scale = scales,
                    .rows_per_sample = std::max<std::int64_t>(1, c.rows_per_sample)};
  if (c.residual) residual.branch = branch;
  ops.norm_forward(shape, {.x = x,
                           .residual = residual,
                           .weight = weight,
                           .bias = layer ? std::span<const float>(bias) : std::span<const float>{},
                           .sum = r.sum,
                           .y = r.y,
                           .mean = r.mean,
                           .inv_std = r.inv_std});
  ops.norm_backward(shape, {.x = r.sum,
                            .weight = weight,
                            .mean = r.mean,
                            .inv_std = r.inv_std,
                            .dy = dy,
                            .dsum = dsum,
                            .dx = r.dx,
                            .residual = residual,
                            .dbranch = r.dbranch,
                            .dweight = r.dweight,
                            .dbias = r.dbias});
  return r;
}

class FastNormTest : public FastOpsTest {};
INSTANTIATE_TEST_SUITE_P(Isa, FastNormTest, ::testing::ValuesIn(fast_rows()), isa_test_name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(FastNormTest);

TEST_P(FastNormTest, AgreesWithReferenceOverShapes) {
  for (const NormKind kind : {NormKind::kRms, NormKind::kLayer}) {
    for (const auto& [rows, width, per_sample] :
         std::vector<std::array<std::int64_t, 3>>{{1, 1, 0},
                                                  {1, 16, 1},
                                                  {7, 5, 7},
                                                  {6, 96, 3},
                                                  {50, 100, 10},
                                                  {401, 33, 0},
                                                  {700, 96, 50},
                                                  {197, 192, 197},
                                                  {16, 1024, 8}}) {
      for (const bool residual : {false, true}) {
        const Case c{kind, rows, width, residual, per_sample};
        SCOPED_TRACE(std::to_string(static_cast<int>(kind)) + " rows " + std::to_string(rows) +
                     " width " + std::to_string(width) + (residual ? " residual" : ""));
        const Results fast = run(GetParam(), c);
        const Results expected = run(reference_ops(), c);
        // Width 1 is badly conditioned for a layer norm: x - mean cancels completely.
        const double tolerance = kind == NormKind::kLayer && width == 1 ? 1e-3 : 2e-6;
        EXPECT_LT(relative_error(fast.sum, expected.sum), 1e-6);
        EXPECT_LT(relative_error(fast.y, expected.y), tolerance);
        EXPECT_LT(relative_error(fast.inv_std, expected.inv_std), tolerance);
        EXPECT_LT(relative_error(fast.dx, expected.dx), tolerance);
        EXPECT_LT(relative_error(fast.dbranch, expected.dbranch), tolerance);
        EXPECT_LT(relative_error(fast.dweight, expected.dweight), 1e-5);
        EXPECT_LT(relative_error(fast.dbias, expected.dbias), 1e-5);
      }
    }
  }
}

TEST_P(FastNormTest, GivesTheSameBytesForEveryThreadCount) {
  const Case c{NormKind::kLayer, 1600, 96, true, 50};
  Results one, two;
  {
    const ScopedThreads threads(1);
    one = run(GetParam(), c);
  }
  {
    const ScopedThreads threads(2);
    two = run(GetParam(), c);
  }
  EXPECT_EQ(one.y, two.y);
  EXPECT_EQ(one.dx, two.dx);
  EXPECT_EQ(one.dweight, two.dweight);
  EXPECT_EQ(one.dbias, two.dbias);
}

TEST_P(FastNormTest, KeepsNanInItsRow) {
  std::vector<float> x = random_floats(3 * 20, 1);
  x[25] = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> y(60);
  GetParam().norm_forward({.kind = NormKind::kRms, .rows = 3, .width = 20}, {.x = x, .y = y});
  for (std::size_t i = 0; i < 60; ++i) EXPECT_EQ(std::isnan(y[i]), i / 20 == 1) << i;
}

TEST_P(FastNormTest, ColumnSumsAgreeWithReferenceOverShapesAndStrides) {
  for (const auto& [rows, width, stride] : std::vector<std::array<std::int64_t, 3>>{
           {1, 1, 1}, {5, 7, 7}, {1500, 96, 96}, {300, 37, 50}, {2, 600, 1800}}) {
    const auto x = random_floats(rows * stride, 8);
    std::vector<float> fast(static_cast<std::size_t>(width), 5.0F);
    std::vector<float> expected(fast.size());
    GetParam().column_sums(rows, width, {x, stride}, fast);
    reference_ops().column_sums(rows, width, {x, stride}, expected);
    EXPECT_LT(relative_error(fast, expected), 1e-5) << rows << "x" << width;
  }
}

TEST(NormGradientTest, MatchesFiniteDifferencesInDouble) {
  for (const NormKind kind : {NormKind::kRms, NormKind::kLayer}) {
    auto x = random_doubles(7, 1);
    auto weight = random_doubles(7, 2);
    auto bias = random_doubles(7, 3);
    const auto upstream = random_doubles(7, 4);
    std::vector<double> y(7), dx(7), dweight(7), dbias(7);
    const auto objective = [&] {
      reference::norm_row(kind, 1e-5, x, weight, bias, y);
      return testing_support::dot(y, upstream);
    };
    const reference::NormRow saved = reference::norm_row(kind, 1e-5, x, weight, bias, y);
    reference::norm_row_backward(kind, saved, x, weight, upstream, dx, dweight, dbias);
    for (std::size_t i = 0; i < 7; ++i) {
      EXPECT_NEAR(testing_support::central_difference(x, i, objective), dx[i], 1e-8);
      EXPECT_NEAR(testing_support::central_difference(weight, i, objective), dweight[i], 1e-8);
      EXPECT_NEAR(testing_support::central_difference(bias, i, objective), dbias[i], 1e-8);
    }
  }
}

TEST(NormTest, AddsScaledBranchPerSample) {
  const std::vector<float> x{1, 1, 2, 2}, branch{1, 2, 3, 4}, scale{0, 2};
  std::vector<float> sum(4), y(4);
  norm_forward({.rows = 2, .width = 2},
               {.x = x, .residual = {.branch = branch, .sample_scale = scale}, .sum = sum, .y = y});
  EXPECT_EQ(sum, (std::vector<float>{1, 1, 8, 10}));
}

TEST_P(FastNormTest, TakesAnEmptyWeightForOnes) {
  const std::vector<float> x{3.0F, 4.0F, 5.0F, 6.0F}, nothing{7.0F, 7.0F};
  std::vector<float> plain(4), empty(4);
  const NormShape shape{.rows = 2, .width = 2};
  const std::span<const float> none = std::span(nothing).first(0);  // empty, but not null
  GetParam().norm_forward(shape, {.x = x, .y = plain});
  GetParam().norm_forward(shape, {.x = x, .weight = none, .bias = none, .y = empty});
  EXPECT_EQ(plain, empty);
}

TEST(NormTest, RefusesWhatDoesNotFit) {
  std::vector<float> x(12), y(12), small(5), one(1);
  const NormShape shape{.rows = 3, .width = 4};
  EXPECT_NO_THROW(norm_forward(shape, {.x = x, .y = y}));
  EXPECT_THROW(norm_forward(shape, {.x = x, .y = small}), ShapeError);
  EXPECT_THROW(norm_forward(shape, {.x = x, .weight = small, .y = y}), ShapeError);
  EXPECT_THROW(norm_forward(shape, {.x = x, .residual = {.branch = x}, .y = y}), ShapeError);
  EXPECT_THROW(
      norm_forward(shape,
                   {.x = x, .residual = {.sample_scale = one, .rows_per_sample = 2}, .y = y}),
      ShapeError);
  EXPECT_THROW(norm_backward(shape, {.x = x, .dy = y, .dx = x}), ShapeError);
  EXPECT_THROW(column_sums(3, 4, {small, 4}, std::span(y).first(4)), ShapeError);
  EXPECT_THROW(column_sums(3, 4, {x, 3}, std::span(y).first(4)), ShapeError);
}

}  // namespace
}  // namespace conopa::kernels
