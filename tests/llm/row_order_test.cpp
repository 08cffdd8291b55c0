#include "conopa/llm/row_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/core/error.h"

namespace conopa::llm {
namespace {

using ::testing::ElementsAre;

HostTensor numbers(const Shape& shape) {
  HostTensor out = HostTensor::zeros(DType::kF32, shape);
  float next = 0.0F;
  for (float& value : out.mutable_data<float>()) value = next++;
  return out;
}

TEST(RowOrderTest, HalvesHoldTheFirstAndSecondOfEveryPair) {
  EXPECT_THAT(to_half_order(numbers({12}), 2).to_f32(),
              ElementsAre(0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11));
}

TEST(RowOrderTest, InterleavingIsTheInverse) {
  for (const Shape& shape : {Shape{12}, Shape{12, 5}, Shape{16, 2}}) {
    const HostTensor before = numbers(shape);
    const HostTensor after = to_interleaved_order(to_half_order(before, 2), 2);
    EXPECT_EQ(after.to_f32(), before.to_f32()) << to_string(shape);
    EXPECT_EQ(after.shape(), shape);
  }
}

TEST(RowOrderTest, HeadsAreRepeatedOneByOne) {
  const HostTensor repeated = repeat_heads(numbers({4, 1}), 2, 3);
  EXPECT_EQ(repeated.shape(), (Shape{12, 1}));
  EXPECT_THAT(repeated.to_f32(), ElementsAre(0, 1, 0, 1, 0, 1, 2, 3, 2, 3, 2, 3));
}

TEST(RowOrderTest, RefusesRowsThatAreNoHeads) {
  EXPECT_THROW((void)to_half_order(numbers({10}), 4), ShapeError);
  EXPECT_THROW((void)to_half_order(numbers({12}), 4), ShapeError);  // heads of width 3
  EXPECT_THROW((void)to_interleaved_order(numbers({}), 1), ShapeError);
  EXPECT_THROW((void)repeat_heads(numbers({3, 2}), 2, 2), ShapeError);
}

}  // namespace
}  // namespace conopa::llm
