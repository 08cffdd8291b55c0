#include "conopa/arch/position_resize.h"

#include <gtest/gtest.h>

#include <numeric>

#include "conopa/arch/init.h"
#include "conopa/arch/tensor_table.h"
#include "conopa/core/error.h"
#include "tests/arch/specs.h"

namespace conopa::arch {
namespace {

EncoderSpec small(std::int64_t height, std::int64_t width, ClassToken token) {
  EncoderSpec spec;
  spec.height = height;
  spec.width = width;
  spec.patch = 8;
  spec.dim = 4;
  spec.heads = 1;
  spec.depth = 1;
  spec.class_token = token;
  spec.resolve();
  return spec;
}

HostTensor counting(const EncoderSpec& spec) {
  std::vector<float> values(static_cast<std::size_t>(spec.num_tokens() * spec.dim));
  std::iota(values.begin(), values.end(), 0.0F);
  return HostTensor::of<float>(DType::kF32, {1, spec.num_tokens(), spec.dim}, values);
}

TEST(PositionResizeTest, SameGridIsUnchanged) {
  const EncoderSpec spec = small(16, 24, ClassToken::kBack);
  const HostTensor position = counting(spec);
  EXPECT_EQ(resize_position(spec, spec, names::kPosition, position).to_f32(), position.to_f32());
}

TEST(PositionResizeTest, ClassEntryKeepsItsPlaceAndValue) {
  for (const ClassToken token : {ClassToken::kFront, ClassToken::kBack}) {
    const EncoderSpec from = small(16, 24, token);
    const EncoderSpec to = small(40, 32, token);
    const std::vector<float> before = counting(from).to_f32();
    const std::vector<float> after =
        resize_position(from, to, names::kPosition, counting(from)).to_f32();
    for (std::int64_t d = 0; d < 4; ++d) {
      EXPECT_EQ(after[static_cast<std::size_t>(to.class_token_index() * 4 + d)],
                before[static_cast<std::size_t>(from.class_token_index() * 4 + d)]);
    }
  }
}

TEST(PositionResizeTest, RefusesAnEmbeddingOfAnotherModel) {
  const EncoderSpec a = small(16, 24, ClassToken::kBack);
  const EncoderSpec b = small(16, 16, ClassToken::kBack);
  EXPECT_THROW(static_cast<void>(resize_position(a, b, names::kPosition, counting(b))), ShapeError);
}

TEST(PositionResizeTest, FixedPositionsAreComputedAnew) {
  EncoderSpec from = plane_spec(16, 24);
  from.position = Position::kSinCos;
  EncoderSpec to = from;
  to.height = 32;
  from.resolve();
  to.resolve();
  const HostTensor before = initial_tensor(*TensorTable(from).find(names::kPosition), 0);
  EXPECT_EQ(resize_position(from, to, names::kPosition, before).to_f32(),
            initial_tensor(*TensorTable(to).find(names::kPosition), 0).to_f32());
}

TEST(PositionResizeTest, EveryStageOfAPyramidHasItsOwnGrid) {
  EncoderSpec from = pyramid_spec();
  from.position = Position::kLearned;
  EncoderSpec to = from;
  to.height = 32;
  to.width = 32;
  from.resolve();
  to.resolve();
  const std::string name = names::position(from, 1);
  ASSERT_TRUE(is_position(from, name));
  EXPECT_FALSE(is_position(from, names::kPosition));
  const HostTensor resized =
      resize_position(from, to, name, HostTensor::zeros(DType::kF32, {1, 6, 24}));
  EXPECT_EQ(resized.shape(), (Shape{1, 16, 24}));
}

}  // namespace
}  // namespace conopa::arch
