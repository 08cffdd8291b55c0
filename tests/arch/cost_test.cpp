// Parameters and multiply-accumulates against the published models.

#include "conopa/arch/cost.h"

#include <gtest/gtest.h>

#include "tests/arch/specs.h"

namespace conopa::arch {
namespace {

struct Counted {
  std::string_view preset;
  std::int64_t classes, parameters;
};

class PresetCountTest : public testing::TestWithParam<Counted> {};

TEST_P(PresetCountTest, ParametersEqualThePublishedModels) {
  EncoderSpec spec = preset_spec(GetParam().preset);
  spec.num_classes = GetParam().classes;
  spec.resolve();
  EXPECT_EQ(count_cost(spec).parameters, GetParam().parameters);
}

INSTANTIATE_TEST_SUITE_P(
    Families, PresetCountTest,
    testing::Values(Counted{"illama_tiny_patch16_224", 1000, 5'701'096},
                    Counted{"illama_small_patch16_224", 1000, 22'018'024},
                    Counted{"illama_base_patch16_224", 1000, 86'502'376},
                    Counted{"illama_large_patch16_224", 1000, 310'445'032},
                    Counted{"illama_base_patch16_384", 1000, 86'794'216},
                    Counted{"illama_large_patch16_384", 1000, 310'834'152},
                    Counted{"illama_base_patch16_224", 10'450, 93'769'426},
                    Counted{"illama_large_patch16_224", 10'450, 320'131'282},
                    Counted{"visionllama_small_patch16_224", 1000, 21'961'192},
                    Counted{"visionllama_base_patch16_224", 1000, 86'388'712},
                    Counted{"visionllama_large_patch16_224", 1000, 310'342'632},
                    Counted{"visionllama_pyramid_small_224", 1000, 25'903'976},
                    Counted{"visionllama_pyramid_base_224", 1000, 56'029'480},
                    Counted{"visionllama_pyramid_large_224", 1000, 104'721'128},
                    Counted{"vit_tiny_patch16_224", 1000, 5'717'416},
                    Counted{"vit_small_patch16_224", 1000, 22'050'664},
                    Counted{"vit_base_patch16_224", 1000, 86'567'656}));

std::int64_t decoder_parameters(const EncoderSpec& spec) {
  std::int64_t count = 0;
  const TensorTable table(spec);
  for (const TensorEntry& entry : table.entries()) {
    if (entry.trainable && entry.name.starts_with("decoder.")) count += element_count(entry.shape);
  }
  return count;
}

// The published encoder counts include a stored position embedding, 197 rows, that nothing reads.
TEST(MaskedAutoencoderCountTest, EncoderAndDecoderEqualTheReleasedFiles) {
  const auto encoder = [](const EncoderSpec& spec) {
    return count_cost(spec).parameters - decoder_parameters(spec) + 197 * spec.dim;
  };
  const auto millions = [](std::int64_t count) { return static_cast<double>(count) / 1e6; };
  const EncoderSpec base = resolved("visionllama_base_patch16_mae_released");
  EXPECT_EQ(base.mlp_hidden, 8192);
  EXPECT_NEAR(millions(decoder_parameters(base)), 26.0, 0.05);
  EXPECT_NEAR(millions(encoder(base)), 255.8, 0.05);
  const EncoderSpec large = resolved("visionllama_large_patch16_mae_released");
  EXPECT_EQ(large.mlp_hidden, 11008);
  EXPECT_NEAR(millions(encoder(large)), 914.0, 0.05);
  EXPECT_EQ(resolved("visionllama_base_patch16_mae_paper").mlp_hidden, 2048);
  EXPECT_EQ(resolved("visionllama_large_patch16_mae_paper").mlp_hidden, 2816);
}

TEST(MaskedAutoencoderCountTest, EncoderMacsEqualTheReleasedModel) {
  const Cost cost = count_cost(resolved("visionllama_base_patch16_mae_released"));
  EXPECT_NEAR(static_cast<double>(cost.macs() - cost.decoder), 50.8e9, 0.5e9);
  EXPECT_GT(cost.decoder, 0);
}

TEST(CostTest, MacsAgreeWithThePublishedCounts) {
  EXPECT_NEAR(static_cast<double>(count_cost(resolved("illama_tiny_patch16_224")).macs()), 1.254e9,
              0.002e9);
  EXPECT_NEAR(static_cast<double>(count_cost(resolved("illama_base_patch16_224")).macs()), 17.564e9,
              0.02e9);
  EXPECT_NEAR(static_cast<double>(count_cost(resolved("illama_large_patch16_384")).macs()),
              194.696e9, 0.2e9);
}

struct Macs {
  std::string_view preset;
  std::int64_t side;  // px
  double published;   // 1e9 multiply-accumulates
};

class PublishedMacsTest : public testing::TestWithParam<Macs> {};

// Published with two or three digits, so 1 % is what they can tell.
TEST_P(PublishedMacsTest, AgreeWithinOnePercent) {
  EncoderSpec spec = preset_spec(GetParam().preset);
  spec.height = spec.width = GetParam().side;
  spec.window_padding = WindowPadding::kAttended;  // as the released models, whose count it is
  spec.resolve();
  EXPECT_NEAR(static_cast<double>(count_cost(spec).macs()) / 1e9, GetParam().published,
              0.01 * GetParam().published);
}

INSTANTIATE_TEST_SUITE_P(VisionLlama, PublishedMacsTest,
                         testing::Values(Macs{"visionllama_small_patch16_224", 224, 4.6},
                                         Macs{"visionllama_base_patch16_224", 224, 17.6},
                                         Macs{"visionllama_large_patch16_224", 224, 62.8},
                                         Macs{"visionllama_pyramid_small_224", 224, 3.31},
                                         Macs{"visionllama_pyramid_base_224", 224, 8.56},
                                         Macs{"visionllama_pyramid_large_224", 224, 16.6},
                                         Macs{"visionllama_pyramid_small_224", 448, 13.9},
                                         Macs{"visionllama_pyramid_base_224", 448, 35.6},
                                         Macs{"visionllama_pyramid_large_224", 448, 68.1}));

TEST(CostTest, CountsAPyramidByHand) {
  EncoderSpec spec = pyramid_spec();  // maps 4x6 and 2x3, windows of 4, keys pooled by 2 and 1
  spec.stage_depths = {2, 2};
  spec.stage_hidden = {10, 20};
  spec.num_classes = 5;
  spec.window_padding = WindowPadding::kAttended;
  spec.resolve();
  const Cost cost = count_cost(spec);
  EXPECT_EQ(cost.patch_embed, 24 * 16 * 3 * 16 + 6 * 24 * 16 * 4);
  EXPECT_EQ(cost.mlp, 2 * (24 * 3 * 16 * 10) + 2 * (6 * 3 * 24 * 20));
  EXPECT_EQ(cost.head, 24 * 5);
  // Windows fill 4x8 and 4x4 tokens; global blocks read 2x3 and 2x3 keys.
  const std::int64_t local = (32 * 3 + 24) * 16 * 16 + (16 * 3 + 6) * 24 * 24;
  const std::int64_t global = (2 * 24 + 2 * 6 + 6 * 4) * 16 * 16 + (2 * 6 + 2 * 6) * 24 * 24;
  EXPECT_EQ(cost.projections, local + global);
  EXPECT_EQ(cost.attention, 2 * 32 * 16 * 16 + 2 * 24 * 6 * 16 + 2 * 16 * 16 * 24 + 2 * 6 * 6 * 24);
  spec.window_padding = WindowPadding::kMasked;
  // Without padding the windows hold 4x4 and 4x2 tokens, and one of 2x3.
  EXPECT_EQ(count_cost(spec).attention,
            2 * (16 * 16 + 8 * 8) * 16 + 2 * 24 * 6 * 16 + 2 * 6 * 6 * 24 + 2 * 6 * 6 * 24);
}

}  // namespace
}  // namespace conopa::arch
