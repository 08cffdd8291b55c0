// AIM and AIMv2 against the published sizes.

#include <gtest/gtest.h>

#include <functional>

#include "conopa/arch/cost.h"
#include "tests/arch/specs.h"

namespace conopa::arch {
namespace {

// Elements of the trainable tensors whose name passes.
std::int64_t parameters(const EncoderSpec& spec,
                        const std::function<bool(std::string_view name)>& counted) {
  std::int64_t count = 0;
  const TensorTable table(spec);
  for (const TensorEntry& entry : table.entries()) {
    if (entry.trainable && counted(entry.name)) count += element_count(entry.shape);
  }
  return count;
}

bool in_head(std::string_view name) { return name.starts_with("head"); }
bool in_decoder(std::string_view name) { return name.starts_with("decoder."); }

double millions(std::int64_t count) { return static_cast<double>(count) / 1e6; }

struct Released {
  std::string_view preset;
  std::int64_t backbone, head;
  double gigaflops;  // two a multiply-accumulate, all blocks
  std::vector<std::int64_t> best;
};

class AimCountTest : public testing::TestWithParam<Released> {};

TEST_P(AimCountTest, BackboneAndProbeEqualTheReleasedFiles) {
  const EncoderSpec spec = resolved(GetParam().preset);
  EXPECT_EQ(parameters(spec, std::not_fn(in_head)), GetParam().backbone);
  EXPECT_EQ(parameters(spec, in_head), GetParam().head);
  EXPECT_EQ(spec.read_blocks, GetParam().best);
}

TEST_P(AimCountTest, WorkAgreesWithThePublishedCount) {
  EncoderSpec spec = preset_spec(GetParam().preset);
  spec.read_blocks = {spec.depth - 1};  // all blocks run
  spec.read_out = ReadOut::kMean;       // the count is that of the backbone
  spec.resolve();
  const double head = 2e-9 * static_cast<double>(spec.num_classes * spec.dim);
  EXPECT_NEAR(2e-9 * static_cast<double>(inference_macs(spec)) - head, GetParam().gigaflops, 0.5);
}

TEST_P(AimCountTest, BlocksBehindTheLastOneReadAreFree) {
  EncoderSpec spec = resolved(GetParam().preset);
  const std::int64_t early = inference_macs(spec);
  spec.read_blocks = {spec.depth - 1};
  const double saved = 1.0 - static_cast<double>(early) / static_cast<double>(inference_macs(spec));
  const auto skipped = static_cast<double>(spec.depth - 1 - GetParam().best.back());
  EXPECT_NEAR(saved, skipped / static_cast<double>(spec.depth), 0.01);
}

INSTANTIATE_TEST_SUITE_P(
    Aim, AimCountTest,
    testing::Values(
        Released{"aim_600m_patch14_224", 680'535'552, 6'256'128, 358, {14, 15, 16, 17, 18, 19}},
        Released{"aim_1b_patch14_224", 1'209'370'624, 10'438'656, 632, {12, 13, 14, 15, 16, 17}},
        Released{"aim_3b_patch14_224", 2'720'025'600, 21'949'440, 1412, {12, 13, 14, 15, 16, 17}},
        Released{"aim_7b_patch14_224", 6'445'404'160, 37'654'528, 3334, {14, 15, 16, 17, 18, 19}}));

TEST(AimCountTest, LowRankBranchesAreAThousandthOfAim7B) {
  const std::int64_t plain = count_cost(resolved("aim_7b_patch14_224")).parameters;
  EncoderSpec spec = preset_spec("aim_7b_patch14_224");
  spec.lora_rank = 8;
  spec.resolve();
  const std::int64_t added = count_cost(spec).parameters - plain;
  EXPECT_NEAR(millions(added), 6.3, 0.05);
  EXPECT_NEAR(static_cast<double>(added) / static_cast<double>(plain), 0.00098, 0.00001);
}

TEST(AimCountTest, ThePixelHeadHas407Millions) {
  const EncoderSpec spec = resolved("aim_600m_patch14_224_pretrain");
  EXPECT_NEAR(millions(parameters(spec, in_decoder)), 407.0, 0.5);
  EXPECT_EQ(parameters(spec, std::not_fn(in_decoder)), 680'535'552);
}

struct Sized {
  std::string_view preset;
  double published, digits;  // millions, half of the last digit
};

class AimV2CountTest : public testing::TestWithParam<Sized> {};

TEST_P(AimV2CountTest, ParametersAgreeToThePublishedDigit) {
  // A tower of a pair is counted without its projector.
  const auto in_tower = [](std::string_view name) { return !name.starts_with("projection"); };
  EXPECT_NEAR(millions(parameters(resolved(GetParam().preset), in_tower)), GetParam().published,
              GetParam().digits);
}

INSTANTIATE_TEST_SUITE_P(AimV2, AimV2CountTest,
                         testing::Values(Sized{"aimv2_base_patch14_224", 85.6, 0.05},
                                         Sized{"aimv2_large_patch14_224", 309.2, 0.05},
                                         Sized{"aimv2_large_patch14_336", 309.5, 0.05},
                                         Sized{"aimv2_large_patch14_448", 310.0, 0.05},
                                         Sized{"aimv2_huge_patch14_224", 680.9, 0.05},
                                         Sized{"aimv2_huge_patch14_336", 681.3, 0.05},
                                         Sized{"aimv2_huge_patch14_448", 682.0, 0.05},
                                         Sized{"aimv2_1b_patch14_224", 1235, 0.5},
                                         Sized{"aimv2_3b_patch14_224", 2721, 0.5},
                                         Sized{"aimv2_large_patch14_native", 308.9, 0.05},
                                         Sized{"aimv2_large_patch14_224_lit", 312.3, 0.05},
                                         Sized{"aimv2_lit_text", 123.0, 0.05}));

TEST(AimV2CountTest, HiddenWidthIsAMultipleOf256) {
  const auto hidden = [](std::string_view preset) { return resolved(preset).mlp_hidden; };
  EXPECT_EQ(hidden("aimv2_base_patch14_224"), 2048);
  EXPECT_EQ(hidden("aimv2_large_patch14_224"), 2816);
  EXPECT_EQ(hidden("aimv2_huge_patch14_224"), 4096);
  EXPECT_EQ(hidden("aimv2_1b_patch14_224"), 5632);
  EXPECT_EQ(hidden("aimv2_3b_patch14_224"), 8192);
  EXPECT_EQ(hidden("aimv2_lit_text"), 2048);
}

}  // namespace
}  // namespace conopa::arch
