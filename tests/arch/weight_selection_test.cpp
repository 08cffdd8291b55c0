#include "conopa/arch/weight_selection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "conopa/core/error.h"
#include "tests/arch/specs.h"

namespace conopa::arch {
namespace {

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
