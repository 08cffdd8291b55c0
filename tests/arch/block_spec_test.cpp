#include "conopa/arch/block_spec.h"

#include <gtest/gtest.h>

#include "tests/arch/specs.h"

namespace conopa::arch {
namespace {

TEST(BlockSpecTest, PlainEncodersRepeatOneBlock) {
  EncoderSpec spec = plane_spec(64, 64);
  spec.depth = 3;
  spec.rope_off_blocks = {1};
  spec.layer_scale = 0.5;
  spec.resolve();
  const std::vector<BlockSpec> blocks = encoder_blocks(spec);
  ASSERT_EQ(blocks.size(), 3U);
  EXPECT_EQ(blocks[2].prefix, "blocks.2");
  EXPECT_EQ(blocks[2].name("norm1"), "blocks.2.norm1");
  EXPECT_TRUE(blocks[0].rotary);
  EXPECT_FALSE(blocks[1].rotary);
  EXPECT_EQ(blocks[0].window, 0);
  EXPECT_FALSE(blocks[1].separate_queries);
  EXPECT_EQ(blocks[0].layer_scale, 0.5);
  EXPECT_EQ(blocks[0].head_dim(), 8);
  EXPECT_TRUE(decoder_blocks(spec).empty());
}

TEST(BlockSpecTest, PyramidsAlternateWindowsAndPooledKeys) {
  EncoderSpec spec = pyramid_spec();  // depths 3 and 2
  spec.resolve();
  const std::vector<BlockSpec> blocks = encoder_blocks(spec);
  ASSERT_EQ(blocks.size(), 5U);
  struct Expected {
    std::string prefix;
    std::int64_t stage, dim, heads, window, reduction;
    bool separate;
  };
  const std::vector<Expected> expected{{"blocks.0.0", 0, 16, 2, 4, 1, false},
                                       {"blocks.0.1", 0, 16, 2, 0, 2, true},
                                       {"blocks.0.2", 0, 16, 2, 4, 1, false},
                                       {"blocks.1.0", 1, 24, 3, 4, 1, false},
                                       {"blocks.1.1", 1, 24, 3, 0, 1, true}};
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    EXPECT_EQ(blocks[i].prefix, expected[i].prefix);
    EXPECT_EQ(blocks[i].index, static_cast<std::int64_t>(i));
    EXPECT_EQ(blocks[i].stage, expected[i].stage);
    EXPECT_EQ(blocks[i].dim, expected[i].dim);
    EXPECT_EQ(blocks[i].heads, expected[i].heads);
    EXPECT_EQ(blocks[i].window, expected[i].window);
    EXPECT_EQ(blocks[i].reduction, expected[i].reduction);
    EXPECT_EQ(blocks[i].separate_queries, expected[i].separate);
  }
}

TEST(BlockSpecTest, WindowZeroMakesEveryBlockGlobal) {
  EncoderSpec spec = pyramid_spec();
  spec.stage_windows = {0, 0};
  spec.resolve();
  for (const BlockSpec& block : encoder_blocks(spec)) EXPECT_TRUE(block.separate_queries);
}

TEST(BlockSpecTest, DecodersAreStandardBlocksWithoutRotation) {
  const EncoderSpec spec = resolved("visionllama_base_patch16_mae_released");
  const std::vector<BlockSpec> blocks = decoder_blocks(spec);
  ASSERT_EQ(blocks.size(), 8U);
  EXPECT_EQ(blocks[7].prefix, "decoder.blocks.7");
  EXPECT_EQ(blocks[0].dim, 512);
  EXPECT_EQ(blocks[0].heads, 16);
  EXPECT_EQ(blocks[0].mlp_hidden, 2048);
  EXPECT_EQ(blocks[0].mlp, Mlp::kGelu);
  EXPECT_TRUE(blocks[0].mlp_bias);
  EXPECT_FALSE(blocks[0].rotary);
}

}  // namespace
}  // namespace conopa::arch
