#include "conopa/kernels/rope.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <numbers>
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

struct Angles {
  explicit Angles(std::int64_t count) {
    for (const float angle : random_floats(count, 3)) {
      cos.push_back(std::cos(angle));
      sin.push_back(std::sin(angle));
    }
  }
  std::vector<float> cos, sin;
};

class FastRopeTest : public FastOpsTest {};
INSTANTIATE_TEST_SUITE_P(Isa, FastRopeTest, ::testing::ValuesIn(fast_rows()), isa_test_name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(FastRopeTest);

TEST_P(FastRopeTest, AgreesWithReferenceOverShapesAndLayouts) {
  for (const auto& [batch, tokens, heads, width] : std::vector<std::array<std::int64_t, 4>>{
           {1, 1, 1, 2}, {2, 5, 3, 6}, {2, 50, 3, 32}, {1, 9, 2, 64}, {2, 7, 1, 50}}) {
    const RopeShape shape{.batch = batch, .tokens = tokens, .heads = heads, .head_width = width};
    const Angles angles(batch * tokens * heads * width / 2);
    const std::int64_t stride = heads * width + 3;
    const auto x = random_floats(batch * tokens * stride, 1);
    for (const RopePairs pairs : {RopePairs::kAdjacent, RopePairs::kHalfSplit}) {
      for (const RopeDirection direction : {RopeDirection::kForward, RopeDirection::kInverse}) {
        const RopeTable table{.cos = angles.cos,
                              .sin = angles.sin,
                              .head_stride = tokens * width / 2,
                              .batch_stride = tokens * heads * width / 2,
                              .pairs = pairs};
        auto fast = x;  // rotated in place; the gaps between rows must stay as they are
        auto expected = x;
        GetParam().rope(shape, table, direction, {fast, stride}, {fast, stride});
        reference_ops().rope(shape, table, direction, {x, stride}, {expected, stride});
        EXPECT_LT(relative_error(fast, expected), 1e-6) << tokens << "x" << width;
      }
    }
  }
}

TEST(RopeTest, QuarterTurnSwapsPairs) {
  const std::vector<float> cos{0, 0}, sin{1, 1}, x{1, 2, 3, 4};
  std::vector<float> y(4);
  const RopeShape shape{.batch = 1, .tokens = 1, .heads = 1, .head_width = 4};
  RopeTable table{.cos = cos, .sin = sin};
  rope(shape, table, RopeDirection::kForward, {x, 4}, {y, 4});
  EXPECT_EQ(y, (std::vector<float>{-2, 1, -4, 3}));
  table.pairs = RopePairs::kHalfSplit;
  rope(shape, table, RopeDirection::kForward, {x, 4}, {y, 4});
  EXPECT_EQ(y, (std::vector<float>{-3, -4, 1, 2}));
}

TEST(RopeTest, InverseUndoesForward) {
  const Angles angles(10 * 8);
  const auto x = random_floats(2 * 10 * 16, 1);
  std::vector<float> y(x.size());
  const RopeShape shape{.batch = 2, .tokens = 10, .heads = 1, .head_width = 16};
  const RopeTable table{.cos = angles.cos, .sin = angles.sin};
  rope(shape, table, RopeDirection::kForward, {x, 16}, {y, 16});
  rope(shape, table, RopeDirection::kInverse, {y, 16}, {y, 16});
  EXPECT_LT(relative_error(y, x), 1e-6);
}

TEST(RopeTest, RefusesOddWidthAndShortTables) {
  const Angles angles(4);
  std::vector<float> x(12);
  const RopeTable table{.cos = angles.cos, .sin = angles.sin};
  const auto rotate = [&](const RopeShape& shape, std::int64_t stride) {
    rope(shape, table, RopeDirection::kForward, {x, stride}, {x, stride});
  };
  EXPECT_NO_THROW(rotate({.batch = 1, .tokens = 2, .heads = 1, .head_width = 4}, 4));
  EXPECT_THROW(rotate({.batch = 1, .tokens = 2, .heads = 1, .head_width = 3}, 3), ShapeError);
  EXPECT_THROW(rotate({.batch = 1, .tokens = 3, .heads = 1, .head_width = 4}, 4), ShapeError);
  EXPECT_THROW(rotate({.batch = 4, .tokens = 2, .heads = 1, .head_width = 4}, 4), ShapeError);
  EXPECT_THROW(rotate({.batch = 1, .tokens = 2, .heads = 1, .head_width = 4}, 2), ShapeError);
}

}  // namespace
}  // namespace conopa::kernels
