#include "conopa/arch/encoder_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/arch/registry.h"
#include "conopa/core/error.h"

namespace conopa::arch {
namespace {

using testing::HasSubstr;

std::string refusal(EncoderSpec spec) {
  try {
    spec.resolve();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(EncoderSpecTest, RoundsTheSwigluHiddenWidthUp) {
  const auto hidden = [](std::int64_t dim) {
    EncoderSpec spec;
    spec.dim = dim;
    spec.heads = 1;
    spec.resolve();
    return spec.mlp_hidden;
  };
  EXPECT_EQ(hidden(16), 256);
  EXPECT_EQ(hidden(96), 256);
  EXPECT_EQ(hidden(192), 512);
  EXPECT_EQ(hidden(384), 1024);
  EXPECT_EQ(hidden(768), 2048);
  EXPECT_EQ(hidden(1024), 2816);
}

TEST(EncoderSpecTest, RejectsImageNotDivisibleByPatch) {
  EncoderSpec spec;
  spec.height = 225;
  EXPECT_THAT(refusal(spec), HasSubstr("multiple of the patch, got 225x224 with patch 16"));
}

TEST(EncoderSpecTest, RejectsHeadsThatDoNotDivideTheWidth) {
  EncoderSpec spec;
  spec.heads = 5;
  EXPECT_THAT(refusal(spec), HasSubstr("heads must divide dim"));
}

TEST(EncoderSpecTest, RejectsOddHeadWidthUnderRotation) {
  EncoderSpec spec;
  spec.dim = 15;
  spec.heads = 1;
  EXPECT_THAT(refusal(spec), HasSubstr("even head width"));
}

TEST(EncoderSpecTest, RejectsTokenReadOutWithoutClassToken) {
  EncoderSpec spec;
  spec.class_token = ClassToken::kNone;
  EXPECT_THAT(refusal(spec), HasSubstr("needs a class token"));
  spec.read_out = ReadOut::kMean;
  EXPECT_EQ(refusal(spec), "accepted");
}

TEST(EncoderSpecTest, RejectsMaskRateWithoutSoftMask) {
  EncoderSpec spec;
  spec.mask = Mask::kCausal;
  spec.mask_rate = 0.5;
  EXPECT_THAT(refusal(spec), HasSubstr("soft_causal"));
}

TEST(EncoderSpecTest, JsonRoundTripKeepsEveryField) {
  EncoderSpec spec = preset_spec("vit_small_patch16_224");
  spec.height = 64;
  spec.feature_blocks = {2, 5, 7, 11};
  spec.neck = Neck::kDeconvPyramid;
  spec.mask = Mask::kCausalFirstOpen;
  spec.drop_path = 0.1;
  spec.resolve();
  const std::string text = spec_to_json(spec);
  EXPECT_EQ(spec_to_json(spec_from_json(text, "test")), text);
  EXPECT_THAT(text, HasSubstr("\"causal_first_open\""));
}

TEST(EncoderSpecTest, JsonRoundTripKeepsAPyramidAndItsRules) {
  EncoderSpec spec = preset_spec("visionllama_pyramid_base_224");
  spec.height = 256;
  spec.width = 448;
  spec.stage_windows = {7, 7, 14, 0};
  spec.rope_scaling = RopeScaling::kOfficial14;
  spec.rope_grid = RopeGrid::kOfficial;
  spec.rope_keys = RopeKeys::kOfficial;
  spec.rope_ntk_acts_on = RopeNtk::kQueries;
  spec.rope_off_blocks = {0, 3};
  spec.window_padding = WindowPadding::kAttended;
  spec.read_out = ReadOut::kNormMeanNorm;
  spec.position = Position::kConditional;
  spec.resolve();
  const std::string text = spec_to_json(spec);
  const EncoderSpec back = spec_from_json(text, "test");
  EXPECT_EQ(spec_to_json(back), text);
  EXPECT_EQ(back.stage_hidden, (std::vector<std::int64_t>{256, 512, 1024, 2048}));
  EXPECT_EQ(back.dim, 768);
  EXPECT_EQ(back.depth, 24);
  EXPECT_EQ(back.stages()[2].rows, 16);
  EXPECT_EQ(back.stages()[2].cols, 28);
  EXPECT_EQ(back.stages()[3].first_block, 22);
}

TEST(EncoderSpecTest, JsonWithUnknownKeyNamesTheNearest) {
  try {
    static_cast<void>(spec_from_json(R"({"depht": 3})", "config.json"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("depth"));
  }
}

TEST(EncoderSpecTest, DropPathGrowsLinearlyFromZero) {
  EncoderSpec spec;
  spec.depth = 5;
  EXPECT_DOUBLE_EQ(spec.drop_path_of(0, 0.4), 0.0);
  EXPECT_DOUBLE_EQ(spec.drop_path_of(2, 0.4), 0.2);
  EXPECT_DOUBLE_EQ(spec.drop_path_of(4, 0.4), 0.4);
}

}  // namespace
}  // namespace conopa::arch
