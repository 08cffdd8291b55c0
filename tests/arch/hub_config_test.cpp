// What config.json of a Hub folder tells beside the shapes, and pairs of towers.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/arch/init.h"
#include "conopa/core/error.h"
#include "tests/arch/specs.h"

namespace conopa::arch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// The guess that the shapes of a preset lead to.
EncoderSpec guess_of(std::string_view preset, std::string_view scheme = "official") {
  return guess_spec(foreign_tensors(resolved(preset), scheme), "test");
}

bool configure(EncoderSpec& guess, std::string_view text) {
  return family(guess.family)
      .configure(guess, {.text = text, .where = "config.json", .weights = "model.safetensors"});
}

std::string refusal(EncoderSpec guess, std::string_view text) {
  try {
    static_cast<void>(configure(guess, text));
  } catch (const FormatError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(HubConfigTest, TellsWhatShapesOfAimCannot) {
  EncoderSpec guess = guess_of("aim_600m_patch14_224");
  EXPECT_TRUE(configure(guess, R"({"img_size": [252, 448], "patch_size": 14, "embed_dim": 1536,
      "num_blocks": 24, "num_heads": 24, "probe_layers": [14, 15, 16]})"));
  EXPECT_EQ(guess.height, 252);
  EXPECT_EQ(guess.width, 448);
  EXPECT_EQ(guess.heads, 24);
  EXPECT_THAT(guess.read_blocks, ElementsAre(14, 15, 16));
}

TEST(HubConfigTest, ANumberOfProbedLayersMeansTheLastOnes) {
  EncoderSpec guess = guess_of("aim_600m_patch14_224");
  EXPECT_TRUE(configure(
      guess, R"({"img_size": 224, "embed_dim": 1536, "num_blocks": 24, "probe_layers": 3})"));
  EXPECT_THAT(guess.read_blocks, ElementsAre(21, 22, 23));
}

TEST(HubConfigTest, WithoutProbedLayersTheLastSixAreRead) {
  EncoderSpec guess = guess_of("aim_600m_patch14_224");
  EXPECT_TRUE(configure(guess, R"({"embed_dim": 1536, "num_blocks": 24})"));
  EXPECT_THAT(guess.read_blocks, ElementsAre(18, 19, 20, 21, 22, 23));
}

TEST(HubConfigTest, TellsHeadsAndEpsilonOfAimV2) {
  EncoderSpec guess = guess_of("aimv2_large_patch14_native", "transformers");
  EXPECT_TRUE(configure(guess, R"({"model_type": "aimv2_vision_model", "hidden_size": 1024,
      "intermediate_size": 2816, "num_hidden_layers": 24, "num_attention_heads": 16,
      "image_size": 448, "patch_size": 14, "num_channels": 3, "rms_norm_eps": 1e-06,
      "qkv_bias": false, "mlp_bias": false, "is_native": true})"));
  EXPECT_EQ(guess.heads, 16);
  EXPECT_EQ(guess.height, 448);
  EXPECT_EQ(guess.norm_eps, 1e-6);
}

TEST(HubConfigTest, ContradictionsNameBothFilesAndBothValues) {
  const EncoderSpec aim = guess_of("aim_600m_patch14_224");
  EXPECT_THAT(refusal(aim, R"({"embed_dim": 2048, "num_blocks": 24})"),
              HasSubstr("[config.json] embed_dim is 2048, but the tensors of model.safetensors say "
                        "1536; the two files belong to different models"));
  EXPECT_THAT(refusal(aim, R"({"embed_dim": 1536, "num_blocks": 12})"),
              HasSubstr("num_blocks is 12, but the tensors of model.safetensors say 24"));
  const EncoderSpec large = guess_of("aimv2_large_patch14_224");
  EXPECT_THAT(
      refusal(large, R"({"hidden_size": 1024, "num_hidden_layers": 24, "image_size": 336})"),
      HasSubstr("image_size is 336x336, which makes 576 patches, but the position embedding of "
                "model.safetensors has 256"));
  EXPECT_THAT(refusal(large, R"({"hidden_size": 1024, "num_hidden_layers": 24, "qkv_bias": true})"),
              HasSubstr("qkv_bias is true, but the tensors of model.safetensors say false"));
}

TEST(HubConfigTest, RefusesValuesThatMakeNoModel) {
  const EncoderSpec aim = guess_of("aim_600m_patch14_224");
  const auto with = [&](std::string_view field) {
    return refusal(aim, fmt::format(R"({{"embed_dim": 1536, "num_blocks": 24, {}}})", field));
  };
  EXPECT_THAT(with(R"("num_heads": 7)"),
              HasSubstr("num_heads is 7, which does not divide the width 1536"));
  EXPECT_THAT(with(R"("num_heads": 0)"), HasSubstr("num_heads is 0"));
  EXPECT_THAT(with(R"("num_heads": "many")"), HasSubstr("num_heads to be a whole number, found"));
  EXPECT_THAT(with(R"("img_size": 225)"), HasSubstr("in multiples of the patch, 14 px, found 225"));
  EXPECT_THAT(with(R"("img_size": [])"), HasSubstr("img_size to be a side, or height and width"));
  EXPECT_THAT(with(R"("img_size": 1e300)"), HasSubstr("img_size to be a list of whole numbers"));
  EXPECT_THAT(with(R"("probe_layers": ["x"])"), HasSubstr("probe_layers to be a list"));
  EXPECT_THAT(refusal(aim, "[1]"), HasSubstr("expected a JSON object"));
}

TEST(HubConfigTest, LeavesOtherConfigsAlone) {
  EncoderSpec guess = guess_of("aim_600m_patch14_224");
  EXPECT_FALSE(configure(guess, R"({"family": "aim_v1", "dim": 3})"));
  EncoderSpec large = guess_of("aimv2_large_patch14_224");
  EXPECT_FALSE(configure(large, R"({"architectures": ["X"]})"));
}

std::string layers_refusal(const EncoderSpec& spec, std::string_view layers) {
  try {
    static_cast<void>(probe_blocks(spec, layers));
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(ProbeBlocksTest, KnowsThePublishedTable) {
  EXPECT_THAT(probe_blocks(resolved("aim_1b_patch14_224"), "best"),
              ElementsAre(12, 13, 14, 15, 16, 17));
  EXPECT_THAT(probe_blocks(resolved("aim_7b_patch14_224"), "best"),
              ElementsAre(14, 15, 16, 17, 18, 19));
  EXPECT_THAT(probe_blocks(resolved("aim_7b_patch14_224"), "last"),
              ElementsAre(26, 27, 28, 29, 30, 31));
  EXPECT_THAT(probe_blocks(resolved("aimv2_large_patch14_224"), "last"), IsEmpty());
  EXPECT_THAT(probe_blocks(resolved("aim_7b_patch14_224"), "3,1"), ElementsAre(3, 1));
}

TEST(ProbeBlocksTest, RefusesWhatIsNotPublishedOrNoList) {
  EXPECT_THAT(layers_refusal(resolved("aim_tiny_patch14_224"), "best"),
              HasSubstr("no best layers are published for family aim_v1 with 12 blocks of width "
                        "192"));
  EXPECT_THAT(layers_refusal(resolved("aimv2_large_patch14_224"), "best"),
              HasSubstr("no best layers are published"));
  EXPECT_THAT(layers_refusal(resolved("aim_1b_patch14_224"), "1,x"),
              HasSubstr("expected last, best or numbers such as 14,15,16, got 'x'"));
  EXPECT_THAT(layers_refusal(resolved("aim_1b_patch14_224"), "1,"), HasSubstr("got ''"));
}

TensorIndex pair_index(std::string_view scheme, std::string_view scale) {
  TensorIndex both = foreign_tensors(resolved("aimv2_large_patch14_224_lit"), scheme);
  both.merge(foreign_tensors(resolved("aimv2_lit_text"), scheme));
  if (!scale.empty()) both.emplace(scale, Shape{});
  return both;
}

TEST(InferPairTest, FindsBothTowersAndTheScale) {
  for (const auto& [scheme, scale] :
       {std::pair{"official_lit", "log_logit_scale"}, {"transformers_lit", "logit_scale"}}) {
    const auto pair = infer_pair(pair_index(scheme, scale));
    ASSERT_TRUE(pair) << scheme;
    EXPECT_EQ(pair->image.scheme, scheme);
    EXPECT_EQ(pair->text.scheme, scheme);
    EXPECT_EQ(pair->logit_scale, scale);
    EXPECT_EQ(pair->text.spec.vocabulary, 49408);
    EXPECT_EQ(spec_to_json(pair->image.spec),
              spec_to_json(resolved("aimv2_large_patch14_224_lit")));
  }
}

TEST(InferPairTest, OneTowerIsNoPair) {
  EXPECT_FALSE(infer_pair(pair_index("official_lit", "")));
  EXPECT_FALSE(infer_pair(foreign_tensors(resolved("aim_600m_patch14_224"), "official")));
  TensorIndex image = foreign_tensors(resolved("aimv2_large_patch14_224_lit"), "official_lit");
  image.emplace("log_logit_scale", Shape{});
  EXPECT_FALSE(infer_pair(image));
}

TEST(NamingSchemeTest, PositionsLoseTheirLeadingAxisWhereOthersHaveNone) {
  const EncoderSpec spec = resolved("aimv2_large_patch14_224");
  const TensorTable table(spec);
  EXPECT_EQ(table.foreign("pos_embed", "official").shape, (Shape{1, 256, 1024}));
  const ForeignTensor flat = table.foreign("pos_embed", "transformers");
  EXPECT_EQ(flat.shape, (Shape{256, 1024}));
  const auto parts = foreign_parts(flat, HostTensor::zeros(DType::kF32, {1, 256, 1024}));
  EXPECT_EQ(parts.at(0).second.shape(), flat.shape);
}

TEST(NamingSchemeTest, TrainingFilesHoldTheirFixedPositions) {
  const EncoderSpec spec = resolved("aim_600m_patch14_224_pretrain");
  const auto derived = derived_tensors(spec, "l3m");
  ASSERT_EQ(derived.size(), 2U);
  EXPECT_EQ(derived[0].first, "preprocessor.blocks.0.pos_embed");
  EXPECT_EQ(derived[0].second.shape(), (Shape{1, 256, 1536}));
  EXPECT_EQ(derived[1].first, "head.decoder_pos_embed");
  EXPECT_EQ(derived[1].second.shape(), (Shape{1, 256, 2048}));
  EXPECT_EQ(derived[1].second.to_f32(), sincos_table(16, 16, 2048, SinCosOrder::kColumnFirst));
  EXPECT_THAT(derived_tensors(spec, "official"), IsEmpty());
}

}  // namespace
}  // namespace conopa::arch
