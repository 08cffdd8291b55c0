#include "conopa/kernels/activation.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "conopa/core/error.h"
#include "kernels/reference/rowwise.h"
#include "tests/kernels/train_ops_support.h"

namespace conopa::kernels {
namespace {

using testing_support::fast_rows;
using testing_support::FastOpsTest;
using testing_support::isa_test_name;
using testing_support::random_floats;
using testing_support::reference_ops;
using testing_support::relative_error;

class FastActivationTest : public FastOpsTest {};
INSTANTIATE_TEST_SUITE_P(Isa, FastActivationTest, ::testing::ValuesIn(fast_rows()), isa_test_name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(FastActivationTest);

struct Swiglu {
  std::vector<float> out, dpacked;
};

/// Gate and up as the two halves of one packed buffer.
Swiglu run_packed(const TrainOps& ops, std::int64_t rows, std::int64_t hidden) {
  const SwigluShape shape{.rows = rows, .hidden = hidden};
  const auto packed = random_floats(rows * 2 * hidden, 1, 3.0);
  const auto dout = random_floats(rows * hidden, 2);
  Swiglu r{.out = std::vector<float>(dout.size()), .dpacked = std::vector<float>(packed.size())};
  const std::span<const float> in(packed);
  const std::span<float> grads(r.dpacked);
  ops.swiglu_forward(shape, columns_from(in, 2 * hidden, 0), columns_from(in, 2 * hidden, hidden),
                     {r.out, hidden});
  ops.swiglu_backward(shape, columns_from(in, 2 * hidden, 0), columns_from(in, 2 * hidden, hidden),
                      {dout, hidden}, columns_from(grads, 2 * hidden, 0),
                      columns_from(grads, 2 * hidden, hidden));
  return r;
}

TEST_P(FastActivationTest, SwigluAgreesWithReferenceOverShapes) {
  for (const auto& [rows, hidden] :
       std::vector<std::array<std::int64_t, 2>>{{1, 1}, {3, 7}, {50, 256}, {129, 33}, {65, 512}}) {
    const Swiglu fast = run_packed(GetParam(), rows, hidden);
    const Swiglu expected = run_packed(reference_ops(), rows, hidden);
    EXPECT_LT(relative_error(fast.out, expected.out), 1e-6) << rows << "x" << hidden;
    EXPECT_LT(relative_error(fast.dpacked, expected.dpacked), 1e-6) << rows << "x" << hidden;
  }
}

TEST_P(FastActivationTest, SwigluBackwardWorksInPlace) {
  auto gate = random_floats(60, 1);
  auto up = random_floats(60, 2);
  const auto dout = random_floats(60, 3);
  std::vector<float> dgate(60), dup(60);
  const SwigluShape shape{.rows = 3, .hidden = 20};
  GetParam().swiglu_backward(shape, {gate, 20}, {up, 20}, {dout, 20}, {dgate, 20}, {dup, 20});
  GetParam().swiglu_backward(shape, {gate, 20}, {up, 20}, {dout, 20}, {gate, 20}, {up, 20});
  EXPECT_EQ(gate, dgate);
  EXPECT_EQ(up, dup);
}

TEST_P(FastActivationTest, SwigluSaturatesWithoutNan) {
  const std::vector<float> gate{-1e4F, -90.0F, -1e-30F, 0.0F, 90.0F, 1e4F};
  const std::vector<float> up(6, 2.0F);
  std::vector<float> out(6);
  GetParam().swiglu_forward({.rows = 1, .hidden = 6}, {gate, 6}, {up, 6}, {out, 6});
  EXPECT_NEAR(out[0], 0.0F, 1e-30F);
  EXPECT_NEAR(out[1], 0.0F, 1e-30F);
  EXPECT_FLOAT_EQ(out[4], 180.0F);
  EXPECT_FLOAT_EQ(out[5], 2e4F);
}

TEST_P(FastActivationTest, GeluAgreesWithReferenceOverTheWholeRange) {
  std::vector<float> x;
  for (float v = -15.0F; v < 15.0F; v += 0.00371F) x.push_back(v);
  const auto dy = random_floats(static_cast<std::int64_t>(x.size()), 1);
  std::vector<float> y(x.size()), y_ref(x.size()), dx(x.size()), dx_ref(x.size());
  GetParam().gelu_forward(x, y);
  GetParam().gelu_backward(x, dy, dx);
  reference_ops().gelu_forward(x, y_ref);
  reference_ops().gelu_backward(x, dy, dx_ref);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double value = std::abs(static_cast<double>(y_ref[i]));
    // In the negative tail the relative error grows with the exponent's argument x^2/2.
    EXPECT_NEAR(y[i], y_ref[i], value * (5e-7 + 1e-7 * static_cast<double>(x[i] * x[i])) + 1e-37)
        << x[i];
    EXPECT_NEAR(dx[i], dx_ref[i], 4e-7 * std::abs(static_cast<double>(dy[i])) + 1e-37) << x[i];
  }
}

/// Distance in representable floats.
std::int64_t ulps(float a, float b) {
  return std::abs(static_cast<std::int64_t>(std::bit_cast<std::int32_t>(a)) -
                  static_cast<std::int64_t>(std::bit_cast<std::int32_t>(b)));
}

TEST_P(FastActivationTest, ExpIsWithinTwoUlp) {
  std::vector<float> x;
  for (float v = -87.3F; v < 88.3F; v += 0.000917F) x.push_back(v);
  std::vector<float> y(x.size());
  GetParam().vector_exp(x, y);
  std::int64_t worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    worst = std::max(worst, ulps(y[i], static_cast<float>(std::exp(static_cast<double>(x[i])))));
  }
  EXPECT_LE(worst, 2);
}

TEST_P(FastActivationTest, ExpHandlesTheEnds) {
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> x{0.0F, -0.0F, inf, -inf, 200.0F, -200.0F, std::nanf("")};
  std::vector<float> y(x.size());
  GetParam().vector_exp(x, y);
  EXPECT_EQ(y[0], 1.0F);
  EXPECT_EQ(y[1], 1.0F);
  EXPECT_EQ(y[2], inf);
  EXPECT_EQ(y[3], 0.0F);
  EXPECT_EQ(y[4], inf);
  EXPECT_EQ(y[5], 0.0F);
  EXPECT_TRUE(std::isnan(y[6]));
}

TEST(ActivationGradientTest, SlopesMatchFiniteDifferencesInDouble) {
  for (const double at : {-9.0, -2.5, -0.3, 0.0, 0.7, 3.0, 11.0}) {
    std::vector<double> x{at};
    EXPECT_NEAR(testing_support::central_difference(x, 0, [&] { return reference::silu(x[0]); }),
                reference::silu_slope(at), 1e-8);
    EXPECT_NEAR(testing_support::central_difference(x, 0, [&] { return reference::gelu(x[0]); }),
                reference::gelu_slope(at), 1e-8);
  }
}

TEST(ActivationTest, RefusesWhatDoesNotFit) {
  std::vector<float> x(12), small(5);
  const SwigluShape shape{.rows = 3, .hidden = 4};
  EXPECT_NO_THROW(swiglu_forward(shape, {x, 4}, {x, 4}, {x, 4}));
  EXPECT_THROW(swiglu_forward(shape, {x, 4}, {small, 4}, {x, 4}), ShapeError);
  EXPECT_THROW(swiglu_backward(shape, {x, 4}, {x, 4}, {x, 4}, {small, 4}, {x, 4}), ShapeError);
  EXPECT_THROW(gelu_forward(x, small), ShapeError);
  EXPECT_THROW(gelu_backward(x, small, x), ShapeError);
  EXPECT_THROW(vector_exp(x, small), ShapeError);
}

}  // namespace
}  // namespace conopa::kernels
