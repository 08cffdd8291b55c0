// Encoders of point clouds: sizes, names in other software, what is refused.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/arch/cost.h"
#include "conopa/core/error.h"
#include "tests/arch/specs.h"

namespace conopa::arch {
namespace {

using testing::HasSubstr;

EncoderSpec classifier(std::string_view preset) {
  EncoderSpec spec = preset_spec(preset);
  spec.num_classes = 15;
  return spec;
}

TEST(PointBertTest, HasThePublishedParameters) {
  EXPECT_NEAR(static_cast<double>(TensorTable(resolved("point_bert_small")).parameter_count()),
              22.1e6, 0.05e6);
  EXPECT_NEAR(
      static_cast<double>(TensorTable(resolved("point_bert_llama_small")).parameter_count()),
      25.2e6, 0.05e6);
}

TEST(PointBertTest, PresetsOfMorePointsHaveMoreGroups) {
  EXPECT_EQ(resolved("point_bert_small").num_tokens(), 65);
  EXPECT_EQ(resolved("point_bert_small_4k").num_tokens(), 257);
  EXPECT_EQ(resolved("point_bert_llama_small_8k").num_tokens(), 513);
  EXPECT_EQ(resolved("point_bert_llama_small_8k").point.count, 8192);
}

TEST(PointBertTest, NamesAreThoseOfTheReleasedCode) {
  const TensorTable table(resolved("point_bert_llama_small"));
  const auto official = [&](std::string_view name) { return table.foreign(name, "official"); };
  EXPECT_EQ(official("point_embed.conv1.weight").name, "encoder.first_conv.0.weight");
  EXPECT_EQ(official("point_embed.conv1.weight").shape, (Shape{128, 3, 1}));
  EXPECT_EQ(official("point_embed.norm2.running_var").name, "encoder.second_conv.1.running_var");
  EXPECT_EQ(official("centre_embed.2.bias").name, "pos_embed.2.bias");
  EXPECT_EQ(official("blocks.3.mlp.up.weight").name, "blocks.blocks.3.mlp.fc1.weight");
  EXPECT_EQ(official("head.hidden.bias").name, "cls_head_finetune.0.bias");
  EXPECT_EQ(official("head.weight").name, "cls_head_finetune.3.weight");
  EXPECT_EQ(official("cls_pos").name, "cls_pos");
  EXPECT_EQ(official("llm.mapper1.weight").name, "llama_dim_mapper1.weight");
  EXPECT_EQ(official("llm.layers.0.mlp.gate.weight").name, "llama.layers.0.feed_forward.w1.weight");
  EXPECT_EQ(table.foreign_name("blocks.3.norm1.bias", "shapenet"),
            "transformer_q.blocks.blocks.3.norm1.bias");
  EXPECT_EQ(table.foreign_name("cls_token", "shapenet"), "transformer_q.cls_token");
  EXPECT_EQ(table.foreign_name("norm.weight", "shapenet"), "transformer_q.norm.weight");
}

TEST(PointBertTest, IsRecognisedByItsTensors) {
  EncoderSpec small = classifier("point_bert_llama_small");
  small.depth = 3;
  small.dim = 128;
  small.heads = 2;
  small.point.width = 96;
  small.llm.dim = 256;
  small.llm.heads = 2;
  small.resolve();
  const InferredModel found = infer_model(foreign_tensors(small, "official"), "test");
  EXPECT_EQ(found.scheme, "official");
  small.point.rule = CentreRule::kReleased;  // what released models were trained with
  EXPECT_EQ(spec_to_json(found.spec), spec_to_json(small));
}

TEST(PointBertTest, TheShapeNetStartLacksHeadAndLanguageBlock) {
  EncoderSpec start = classifier("point_bert_small");
  start.resolve();
  TensorIndex tensors;
  for (const auto& [name, shape] : foreign_tensors(start, "shapenet")) {
    if (name.find("cls_head_finetune") == std::string::npos) tensors.emplace(name, shape);
  }
  tensors.emplace("transformer_q.cls_head.0.weight", Shape{256, 384});
  const EncoderSpec model = resolved("point_bert_llama_small");
  EXPECT_EQ(best_scheme(model, tensors), "shapenet");
  const KeyReport report = compare_keys(TensorTable(model), "shapenet", tensors);
  EXPECT_TRUE(report.unexpected.empty()) << report.summary();
  EXPECT_TRUE(report.reshaped.empty()) << report.summary();
  for (const std::string& name : report.missing) {
    EXPECT_TRUE(name.starts_with("head.") || name.starts_with("llm.")) << name;
  }
}

TEST(PointBertTest, CountsTheSharedHalfOfTheThirdLayerOncePerGroup) {
  EncoderSpec spec = classifier("point_bert_small");
  spec.resolve();
  const std::int64_t before = count_cost(spec).patch_embed;
  spec.point.group += 1;
  spec.resolve();
  const std::int64_t point = 3 * 128 + 128 * 256 + 256 * 512 + 512 * 256;
  EXPECT_EQ(count_cost(spec).patch_embed - before, 64 * point);
}

struct Refusal {
  std::string text;
  void (*change)(EncoderSpec&);
};
class PointChecksTest : public testing::TestWithParam<Refusal> {};

TEST_P(PointChecksTest, SaysWhatDoesNotFit) {
  EncoderSpec spec = classifier("point_bert_small");
  GetParam().change(spec);
  try {
    spec.resolve();
    FAIL() << "accepted";
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), HasSubstr(GetParam().text));
  }
}
INSTANTIATE_TEST_SUITE_P(
    Changes, PointChecksTest,
    testing::Values(
        Refusal{"got 63 for 64 groups (width) of 32 points (point_group)",
                [](EncoderSpec& s) { s.point.count = 63; }},
        Refusal{"got 1024 for 64 groups (width) of 2000 points",
                [](EncoderSpec& s) { s.point.group = 2000; }},
        Refusal{"got 2, 1 and 3", [](EncoderSpec& s) { s.height = 2; }},
        Refusal{"point_width must be 1..", [](EncoderSpec& s) { s.point.width = 0; }},
        Refusal{"has no order", [](EncoderSpec& s) { s.position = Position::kLearned; }},
        Refusal{"has no order", [](EncoderSpec& s) { s.mask = Mask::kCausal; }},
        Refusal{"needs class_token = \"front\", got \"none\"",
                [](EncoderSpec& s) { s.class_token = ClassToken::kNone; }},
        Refusal{"head_dropout 0..1, got 256 and 1", [](EncoderSpec& s) { s.head_dropout = 1.0; }},
        Refusal{"position = \"centres\" belongs to input = \"points\"",
                [](EncoderSpec& s) { s.input = Input::kImage; }}));

}  // namespace
}  // namespace conopa::arch
