// What follows from a spec: rotation tables, position resizing, weight selection.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "conopa/arch/position_resize.h"
#include "conopa/arch/registry.h"
#include "conopa/arch/rotary.h"
#include "conopa/arch/tensor_table.h"
#include "conopa/arch/weight_selection.h"

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

TEST(RotaryTest, RowPIsPTimesTheFrequencies) {
  const EncoderSpec spec = small(16, 24, ClassToken::kBack);
  const RotaryTable table = rotary_table(rotary_ladder(spec, spec.stages()[0], RotaryRole::kTokens),
                                         token_coordinates(spec));
  ASSERT_EQ(table.tokens, 7);
  ASSERT_EQ(table.half, 2);
  EXPECT_FLOAT_EQ(table.cos[0], 1.0F);
  EXPECT_NEAR(table.sin[3 * 2 + 0], std::sin(3.0), 1e-6);
  EXPECT_NEAR(table.cos[6 * 2 + 1], std::cos(6.0 / 100.0), 1e-6);
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

TEST(WeightSelectionTest, UsesAStrideWhereItDivides) {
  EXPECT_THAT(selection_indices(12, 4), testing::ElementsAre(0, 3, 6, 9));
}

TEST(WeightSelectionTest, OtherwiseRoundsALinspaceWithBothEnds) {
  EXPECT_THAT(selection_indices(11, 4), testing::ElementsAre(0, 3, 7, 10));
  EXPECT_THROW(static_cast<void>(selection_indices(3, 4)), ShapeError);
}

TEST(WeightSelectionTest, SelectsRowsAndColumns) {
  std::vector<float> values(16);
  std::iota(values.begin(), values.end(), 0.0F);
  const HostTensor teacher = HostTensor::of<float>(DType::kF32, {4, 4}, values);
  EXPECT_THAT(select_weights(teacher, {2, 2}).to_f32(), testing::ElementsAre(0, 2, 8, 10));
}

TEST(WeightSelectionTest, RulesCoverSevenTensorsABlock) {
  EncoderSpec spec = preset_spec("illama_tiny_patch16_224");
  spec.resolve();
  const auto rules = llama_selection(spec, LlamaNaming::kHuggingFace);
  ASSERT_EQ(rules.size(), 12U * 7U);
  EXPECT_THAT(rules[1].teachers, testing::ElementsAre("model.layers.0.self_attn.q_proj.weight",
                                                      "model.layers.0.self_attn.k_proj.weight",
                                                      "model.layers.0.self_attn.v_proj.weight"));
  EXPECT_EQ(llama_selection(spec, LlamaNaming::kMeta)[4].teachers[0],
            "layers.0.feed_forward.w1.weight");
}

TEST(WeightSelectionTest, RefusesAStudentThatALlamaCannotFeed) {
  EncoderSpec vit = preset_spec("vit_tiny_patch16_224");
  vit.resolve();
  EXPECT_THROW(static_cast<void>(llama_selection(vit, LlamaNaming::kMeta)), ConfigError);
}

}  // namespace
}  // namespace conopa::arch
