#include "conopa/kernels/adamw.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "conopa/core/error.h"
#include "tests/kernels/train_ops_support.h"

namespace conopa::kernels {
namespace {

using testing_support::fast_rows;
using testing_support::FastOpsTest;
using testing_support::isa_test_name;
using testing_support::random_floats;
using testing_support::reference_ops;
using testing_support::relative_error;
using testing_support::ScopedThreads;

struct State {
  explicit State(std::int64_t count)
      : param(random_floats(count, 1)), m(param.size()), v(param.size()) {}
  std::vector<float> param, m, v;
};

State train(const TrainOps& ops, std::int64_t count) {
  State s(count);
  for (std::int64_t step = 1; step <= 3; ++step) {
    const auto grad = random_floats(count, 10 + static_cast<std::uint64_t>(step), 0.01);
    ops.adamw_step({.lr = 4e-3, .weight_decay = 0.05, .step = step, .grad_scale = 0.5F}, s.param,
                   s.m, s.v, grad);
  }
  return s;
}

class FastAdamWTest : public FastOpsTest {};
INSTANTIATE_TEST_SUITE_P(Isa, FastAdamWTest, ::testing::ValuesIn(fast_rows()), isa_test_name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(FastAdamWTest);

TEST_P(FastAdamWTest, AgreesWithReferenceOverSizes) {
  for (const std::int64_t count : {1, 15, 16, 17, 1000, 40001}) {
    const State fast = train(GetParam(), count);
    const State expected = train(reference_ops(), count);
    EXPECT_LT(relative_error(fast.param, expected.param), 5e-7) << count;
    EXPECT_LT(relative_error(fast.m, expected.m), 5e-7) << count;
    EXPECT_LT(relative_error(fast.v, expected.v), 5e-7) << count;
  }
}

TEST_P(FastAdamWTest, GivesTheSameBytesForEveryThreadCount) {
  std::vector<float> params[2];
  double squares[2];
  const auto x = random_floats(100003, 4);
  for (const int threads : {1, 2}) {
    const ScopedThreads scoped(threads);
    params[threads - 1] = train(GetParam(), 40001).param;
    squares[threads - 1] = GetParam().sum_of_squares(x);
  }
  EXPECT_EQ(params[0], params[1]);
  EXPECT_EQ(squares[0], squares[1]);
}

TEST_P(FastAdamWTest, HelpersAgreeWithReference) {
  for (const std::int64_t count : {0, 1, 33, 50000}) {
    const auto x = random_floats(count, 1);
    auto ema = random_floats(count, 2);
    auto ema_ref = ema;
    GetParam().ema_update(ema, x, 0.9);
    reference_ops().ema_update(ema_ref, x, 0.9);
    EXPECT_LT(relative_error(ema, ema_ref), 5e-7);
    auto scaled = x;
    auto scaled_ref = x;
    GetParam().scale_in_place(scaled, 0.3F);
    reference_ops().scale_in_place(scaled_ref, 0.3F);
    EXPECT_EQ(scaled, scaled_ref);
    const double expected = reference_ops().sum_of_squares(x);
    EXPECT_NEAR(GetParam().sum_of_squares(x), expected, 1e-12 * expected);
  }
}

TEST_P(FastAdamWTest, SumOfSquaresShowsNonFiniteGradients) {
  auto x = random_floats(20000, 1);
  x[17000] = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(std::isinf(GetParam().sum_of_squares(x)));
  x[17000] = std::nanf("");
  EXPECT_TRUE(std::isnan(GetParam().sum_of_squares(x)));
}

TEST(AdamWTest, FirstStepMovesByTheLearningRateAgainstTheSign) {
  std::vector<float> p{1.0F, 1.0F}, m(2), v(2);
  const std::vector<float> g{0.5F, -2.0F};
  adamw_step({.lr = 0.1, .weight_decay = 0.2}, p, m, v, g);
  EXPECT_NEAR(p[0], 0.98F - 0.1F, 1e-6F);  // decay by 1 - lr*wd, then lr * m/sqrt(v) = lr
  EXPECT_NEAR(p[1], 0.98F + 0.1F, 1e-6F);
  EXPECT_FLOAT_EQ(m[0], 0.05F);
  EXPECT_FLOAT_EQ(v[1], 0.004F);
}

TEST(AdamWTest, RefusesWhatDoesNotFit) {
  std::vector<float> p(4), m(4), v(4), small(3);
  EXPECT_THROW(adamw_step({}, p, small, v, p), ShapeError);
  EXPECT_THROW(adamw_step({}, p, m, v, small), ShapeError);
  EXPECT_THROW(adamw_step({.step = 0}, p, m, v, p), ShapeError);
  EXPECT_THROW(ema_update(p, small, 0.5), ShapeError);
}

}  // namespace
}  // namespace conopa::kernels
