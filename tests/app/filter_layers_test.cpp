#include "apps/conopa/filter_layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/core/error.h"
#include "tests/app/command_run.h"

namespace conopa::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Optional;

// As libtorch sorts them.
const std::vector<std::string> kPlain = {
    "block0_attn_map",  "block0_attn_out", "block0_mlp_out", "block0_out", "block10_attn_map",
    "block10_attn_out", "block10_mlp_out", "block10_out",    "block9_out", "block9_attn_map",
    "final_norm",       "patch_embed",     "tokens_in"};
const std::vector<std::string> kUnit = {"block11_attn_map",
                                        "block11_out",
                                        "encoder_out",
                                        "final_norm",
                                        "llm_layer0_attn_map",
                                        "llm_layer0_attn_out",
                                        "llm_layer0_mlp_out",
                                        "llm_layer0_out",
                                        "llm_layer10_attn_out",
                                        "llm_layer2_attn_out",
                                        "llm_layer2_mlp_out",
                                        "llm_mapper1",
                                        "llm_mapper2",
                                        "llm_norm",
                                        "tokens_in"};

TEST(NaturalLessTest, CountsNumbersAsNumbers) {
  EXPECT_TRUE(natural_less("block2_out", "block10_out"));
  EXPECT_FALSE(natural_less("block10_out", "block2_out"));
  EXPECT_TRUE(natural_less("block2_a", "block2_b"));
  EXPECT_TRUE(natural_less("stage1_block9", "stage2_block0"));
  EXPECT_FALSE(natural_less("block2", "block02"));
  EXPECT_FALSE(natural_less("block02", "block2"));
  EXPECT_TRUE(natural_less("block", "block0"));
  EXPECT_FALSE(natural_less("same1", "same1"));
}

TEST(FilterLayersTest, DefaultsAreTheLastBlocksOfAPlainModel) {
  EXPECT_THAT(default_filter_layers(kPlain),
              ElementsAre("block9_out", "block10_attn_out", "block10_mlp_out", "block10_out",
                          "final_norm"));
  EXPECT_THAT(default_filter_layers({"tokens_in", "block0_out", "final_norm"}),
              ElementsAre("block0_out", "final_norm"));
  EXPECT_THAT(default_filter_layers({"tokens_in", "stage0_block1_out", "stage1_block0_out"}),
              ElementsAre("stage0_block1_out", "stage1_block0_out"));
}

TEST(FilterLayersTest, DefaultsAreThoseAroundALanguageBlock) {
  EXPECT_THAT(default_filter_layers(kUnit),
              ElementsAre("encoder_out", "llm_mapper1", "llm_layer0_attn_out", "llm_layer0_mlp_out",
                          "llm_layer2_attn_out", "llm_layer2_mlp_out", "llm_layer10_attn_out",
                          "llm_mapper2"));
}

TEST(FilterLayersTest, ChosenLayersKeepTheirOrder) {
  EXPECT_THAT(chosen_filter_layers("tokens_in,block0_out", kPlain),
              ElementsAre("tokens_in", "block0_out"));
  EXPECT_EQ(chosen_filter_layers("", kPlain), default_filter_layers(kPlain));
}

TEST(FilterLayersTest, RefusesUnknownNamesMapsAndRepetitions) {
  struct Row {
    const char* text;
    const char* message;
  };
  for (const Row& row :
       {Row{"blok0_out", "did you mean 'block0_out'"}, Row{"block0_out,", "got ''"},
        Row{"block0_attn_map", "got 'block0_attn_map'"},
        Row{"tokens_in,tokens_in", "tokens_in is given twice"}}) {
    try {
      (void)chosen_filter_layers(row.text, kPlain);
      ADD_FAILURE() << row.text;
    } catch (const ConfigError& error) {
      EXPECT_THAT(error.what(), HasSubstr(row.message));
    }
  }
}

TEST(FilterLayersTest, TheBaselineReadsTheLastAttentionAndPrefersTheLanguageBlock) {
  EXPECT_THAT(baseline_attention(kPlain), Optional(std::string("block10_attn_map")));
  EXPECT_THAT(baseline_attention(kUnit), Optional(std::string("llm_layer0_attn_map")));
  EXPECT_EQ(baseline_attention({"tokens_in", "block0_out"}), std::nullopt);
}

TEST(TokenPlacesTest, LeaveOutTheClassToken) {
  arch::EncoderSpec spec = testing::small_spec();
  const auto first = [&](arch::ClassToken token, std::int64_t tokens) {
    spec.class_token = token;
    return places_of(spec, tokens, "x").first;
  };
  EXPECT_EQ(first(arch::ClassToken::kFront, 5), 1);
  EXPECT_EQ(first(arch::ClassToken::kBack, 5), 0);
  EXPECT_EQ(first(arch::ClassToken::kLate, 4), 0);
  EXPECT_EQ(first(arch::ClassToken::kLate, 5), 1);
  EXPECT_EQ(first(arch::ClassToken::kNone, 4), 0);
  EXPECT_EQ(places_of(spec, 4, "x").rows, 2);
  EXPECT_THROW((void)first(arch::ClassToken::kNone, 5), UnsupportedError);
  EXPECT_THROW((void)first(arch::ClassToken::kFront, 6), UnsupportedError);
}

}  // namespace
}  // namespace conopa::app
