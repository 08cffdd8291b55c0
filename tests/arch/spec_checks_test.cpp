// One test a message: what is refused, and that the line says what was found.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/core/error.h"
#include "tests/arch/specs.h"

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

// The message of a plain (or pyramid) spec after a change.
template <typename Change>
std::string plain_refusal(Change change) {
  EncoderSpec spec = plane_spec(64, 64);
  change(spec);
  return refusal(spec);
}
template <typename Change>
std::string pyramid_refusal(Change change) {
  EncoderSpec spec = pyramid_spec();
  change(spec);
  return refusal(spec);
}

TEST(SpecChecksTest, AcceptsTheSpecsThatTheTestsChange) {
  EXPECT_EQ(refusal(plane_spec(64, 64)), "accepted");
  EXPECT_EQ(refusal(pyramid_spec()), "accepted");
}

TEST(SpecChecksTest, RefusesImagesSmallerThanThePatch) {
  EXPECT_THAT(plain_refusal([](EncoderSpec& s) { s.height = 4; }),
              HasSubstr("must not be smaller than the patch, got 4x64 with patch 8"));
  EXPECT_THAT(plain_refusal([](EncoderSpec& s) {
                s.width = 7;
                s.remainder = Remainder::kPad;
              }),
              HasSubstr("got 64x7 with patch 8"));
}

TEST(SpecChecksTest, PadsRemaindersOnlyWhenAsked) {
  const auto change = [](EncoderSpec& s) { s.height = 65; };
  EXPECT_THAT(plain_refusal(change), HasSubstr("multiple of the patch, got 65x64 with patch 8"));
  EXPECT_EQ(plain_refusal([&](EncoderSpec& s) {
              change(s);
              s.remainder = Remainder::kPad;
            }),
            "accepted");
}

TEST(SpecChecksTest, RefusesImagesSmallerThanTheFirstWindow) {
  EXPECT_THAT(pyramid_refusal([](EncoderSpec& s) { s.height = 12; }),
              HasSubstr("hold a window of the first stage, 16 px, got 12x24"));
}

TEST(SpecChecksTest, RefusesMapsThatDoNotDivideWithoutPadding) {
  const auto strict = [](std::int64_t height, std::int64_t reduction) {
    return pyramid_refusal([=](EncoderSpec& s) {
      s.remainder = Remainder::kRefuse;
      s.height = height;
      s.stage_reductions[0] = reduction;
    });
  };
  EXPECT_EQ(strict(16, 2), "accepted");
  EXPECT_THAT(strict(20, 1), HasSubstr("map of stage 1 must be a multiple of 2, got 5x6"));
  EXPECT_THAT(strict(16, 4), HasSubstr("stage 0 sub-samples keys by 4"));
}

TEST(SpecChecksTest, RefusesHeadsThatDoNotDivide) {
  EXPECT_THAT(plain_refusal([](EncoderSpec& s) { s.heads = 3; }),
              HasSubstr("heads must divide dim, got dim 8 and 3 heads"));
  EXPECT_THAT(pyramid_refusal([](EncoderSpec& s) { s.stage_heads[1] = 5; }),
              HasSubstr("got 5 heads for width 24 in stage 1"));
}

TEST(SpecChecksTest, RefusesPartsOfAHeadThatCannotTurn) {
  EXPECT_THAT(plain_refusal([](EncoderSpec& s) { s.rope_ratio = 0.25; }),
              HasSubstr("needs 4 rotated channels or a multiple, got 2 (head width 8 = dim 8 / 1 "
                        "heads, rope_ratio 0.25)"));
  EXPECT_THAT(plain_refusal([](EncoderSpec& s) {
                s.rotary = Rotary::kLine;
                s.rope_ratio = 0.4;
              }),
              HasSubstr("needs 2 rotated channels or a multiple, got 3"));
  EXPECT_THAT(plain_refusal([](EncoderSpec& s) { s.rope_ratio = 0.0; }),
              HasSubstr("rope_ratio must be in (0, 1], got 0"));
  EXPECT_THAT(plain_refusal([](EncoderSpec& s) { s.dim = 6; }), HasSubstr("got 6 (head width 6"));
  EXPECT_THAT(pyramid_refusal([](EncoderSpec& s) { s.stage_heads[1] = 4; }),
              HasSubstr("got 6 (head width 6 = dim 24 / 4 heads"));
}

TEST(SpecChecksTest, RefusesContradictoryRotation) {
  EXPECT_THAT(plain_refusal([](EncoderSpec& s) {
                s.rotary = Rotary::kLine;
                s.rope_scaling = RopeScaling::kAnchor;
              }),
              HasSubstr("rope_scaling = \"anchor\" needs rotary = \"plane\""));
  EXPECT_THAT(plain_refusal([](EncoderSpec& s) { s.rope_scaling = RopeScaling::kOfficial14; }),
              HasSubstr("belongs to pyramids"));
  EXPECT_THAT(pyramid_refusal([](EncoderSpec& s) {
                s.rope_ntk = 2.0;
                s.rope_scaling = RopeScaling::kAnchor;
              }),
              HasSubstr("set one of them"));
  EXPECT_THAT(plain_refusal([](EncoderSpec& s) { s.rope_off_blocks = {1}; }),
              HasSubstr("rope_off_blocks must be 0..0, got 1"));
  EXPECT_THAT(plain_refusal([](EncoderSpec& s) { s.rope_ntk = 0.5; }),
              HasSubstr("rope_ntk must be at least 1"));
}

TEST(SpecChecksTest, RefusesStageListsOfAnotherLength) {
  EXPECT_THAT(pyramid_refusal([](EncoderSpec& s) { s.stage_windows = {4}; }),
              HasSubstr("stage_windows must have one value a stage, 2, got 1"));
  EXPECT_THAT(pyramid_refusal([](EncoderSpec& s) { s.stage_reductions[0] = 0; }),
              HasSubstr("stage_reductions must be 1.."));
}

TEST(SpecChecksTest, RefusesWhatAPyramidDoesNotHave) {
  EXPECT_THAT(pyramid_refusal([](EncoderSpec& s) { s.class_token = ClassToken::kFront; }),
              HasSubstr("no class token, got class_token = \"front\""));
  EXPECT_THAT(pyramid_refusal([](EncoderSpec& s) { s.mask = Mask::kCausal; }),
              HasSubstr("attends in both directions, got mask = \"causal\""));
  EXPECT_THAT(pyramid_refusal([](EncoderSpec& s) { s.decoder = Decoder::kMae; }),
              HasSubstr("for plain encoders"));
}

TEST(SpecChecksTest, RefusesPositionsThatDoNotFit) {
  EXPECT_THAT(plain_refusal([](EncoderSpec& s) { s.position_spare_row = true; }),
              HasSubstr("position_spare_row"));
  EXPECT_THAT(pyramid_refusal([](EncoderSpec& s) {
                s.position = Position::kSinCos;
                s.stage_dims[0] = 18;
                s.rotary = Rotary::kNone;
              }),
              HasSubstr("stage_dims in multiples of 4, got 18"));
}

TEST(SpecChecksTest, RefusesDecodersThatDoNotFit) {
  const auto change = [](auto more) {
    return plain_refusal([&](EncoderSpec& s) {
      s.decoder = Decoder::kMae;
      s.num_classes = 0;
      more(s);
    });
  };
  EXPECT_EQ(change([](EncoderSpec&) {}), "accepted");
  EXPECT_THAT(change([](EncoderSpec& s) { s.num_classes = 10; }),
              HasSubstr("a model with a decoder has no head"));
  EXPECT_THAT(change([](EncoderSpec& s) { s.decoder_heads = 7; }),
              HasSubstr("decoder_heads must divide decoder_dim, got 7 and 512"));
}

}  // namespace
}  // namespace conopa::arch
