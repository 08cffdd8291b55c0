// What AIM's specs refuse, and that the line says what was found.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/core/error.h"
#include "tests/arch/specs.h"

namespace conopa::arch {
namespace {

using testing::HasSubstr;

template <typename Change>
std::string refusal(std::string_view preset, Change change) {
  EncoderSpec spec = preset_spec(preset);
  change(spec);
  try {
    spec.resolve();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

template <typename Change>
std::string pretrain_refusal(Change change) {
  return refusal("aim_tiny_patch14_224_pretrain", change);
}
template <typename Change>
std::string probe_refusal(Change change) {
  return refusal("aim_tiny_patch14_224", change);
}
template <typename Change>
std::string caption_refusal(Change change) {
  return refusal("aimv2_tiny_patch14_224_pretrain", change);
}
template <typename Change>
std::string text_refusal(Change change) {
  return refusal("aimv2_lit_text", change);
}

TEST(AimChecksTest, RefusesMasksThatShowTheNextPatch) {
  for (const Mask mask : {Mask::kBidirectional, Mask::kSoftCausal, Mask::kCausalFirstOpen}) {
    EXPECT_THAT(pretrain_refusal([mask](EncoderSpec& s) { s.mask = mask; }),
                HasSubstr("needs mask = \"prefix_causal\" or \"causal\", got \""));
  }
  EXPECT_EQ(pretrain_refusal([](EncoderSpec& s) { s.mask = Mask::kCausal; }), "accepted");
}

TEST(AimChecksTest, RefusesPretrainingOnASinglePatch) {
  EXPECT_THAT(pretrain_refusal([](EncoderSpec& s) { s.height = s.width = 14; }),
              HasSubstr("needs at least 2 patches, got 1"));
}

TEST(AimChecksTest, RefusesAClassTokenBeforeADecoder) {
  EXPECT_THAT(pretrain_refusal([](EncoderSpec& s) { s.class_token = ClassToken::kFront; }),
              HasSubstr("needs a plain encoder without class token"));
}

TEST(AimChecksTest, RefusesHeadsBesideADecoder) {
  EXPECT_THAT(pretrain_refusal([](EncoderSpec& s) { s.num_classes = 10; }),
              HasSubstr("a model with a decoder has no head; set num_classes = 0, got 10"));
}

TEST(AimChecksTest, RefusesDecoderSizesThatDoNotFit) {
  EXPECT_THAT(pretrain_refusal([](EncoderSpec& s) { s.decoder_dim = 30; }),
              HasSubstr("decoder_dim must be a multiple of 4"));
  EXPECT_THAT(pretrain_refusal([](EncoderSpec& s) { s.decoder_heads = 3; }),
              HasSubstr("decoder_heads must divide decoder_dim, got 3 and 2048"));
  EXPECT_THAT(pretrain_refusal([](EncoderSpec& s) { s.decoder_outputs = -1; }),
              HasSubstr("decoder_outputs must be 0 (pixels) to"));
  EXPECT_EQ(pretrain_refusal([](EncoderSpec& s) { s.decoder_depth = 0; }), "accepted");
}

TEST(AimChecksTest, RefusesCaptionDecodersWithoutWords) {
  EXPECT_THAT(caption_refusal([](EncoderSpec& s) { s.decoder_vocabulary = 1; }),
              HasSubstr("decoder_vocabulary must be 2.."));
  EXPECT_THAT(caption_refusal([](EncoderSpec& s) { s.decoder_context = 0; }),
              HasSubstr("decoder_context must be 1.."));
  EXPECT_THAT(caption_refusal([](EncoderSpec& s) { s.decoder_depth = 0; }),
              HasSubstr("decoder_depth must be 1..4096, got 0"));
  EXPECT_THAT(caption_refusal([](EncoderSpec& s) { s.decoder_outputs = 512; }),
              HasSubstr("\"caption\" predicts pixels"));
}

TEST(AimChecksTest, RefusesBlocksThatTheModelDoesNotHave) {
  EXPECT_THAT(probe_refusal([](EncoderSpec& s) {
                s.read_blocks = {3, 12};
              }),
              HasSubstr("read_blocks must be 0..11, got 12; the model has 12 blocks"));
  EXPECT_THAT(probe_refusal([](EncoderSpec& s) { s.read_blocks = {-1}; }),
              HasSubstr("read_blocks must be 0..11, got -1"));
  EXPECT_THAT(probe_refusal([](EncoderSpec& s) {
                s.read_blocks = {3, 5, 3};
              }),
              HasSubstr("read_blocks must name every block once, got [3, 5, 3]"));
  EXPECT_THAT(probe_refusal([](EncoderSpec& s) {
                s.class_token = ClassToken::kFront;
                s.read_out = ReadOut::kToken;
              }),
              HasSubstr("read by read_out = \"mean\" or \"attention\", got \"token\""));
}

TEST(AimChecksTest, RefusesLowRankBranchesOutOfRange) {
  EXPECT_THAT(probe_refusal([](EncoderSpec& s) { s.lora_rank = 193; }),
              HasSubstr("lora_rank must be 0 (off) to dim 192, got 193"));
  EXPECT_THAT(probe_refusal([](EncoderSpec& s) {
                s.lora_rank = 8;
                s.lora_alpha = 0.0;
              }),
              HasSubstr("lora_alpha must be positive, got 0"));
}

TEST(AimChecksTest, RefusesProbesWithoutQueries) {
  EXPECT_THAT(probe_refusal([](EncoderSpec& s) { s.pool_queries = 0; }),
              HasSubstr("pool_queries must be 1..4096, got 0"));
}

TEST(AimChecksTest, RefusesTextThatIsNoRowOfTokens) {
  EXPECT_THAT(text_refusal([](EncoderSpec& s) { s.vocabulary = 1; }),
              HasSubstr("needs a vocabulary of 2 to"));
  EXPECT_THAT(text_refusal([](EncoderSpec& s) { s.channels = 3; }),
              HasSubstr("set height, patch and channels to 1, got 1, 1 and 3"));
  EXPECT_THAT(text_refusal([](EncoderSpec& s) { s.end_token = 49408; }),
              HasSubstr("end_token must be 0..49407, got 49408"));
  EXPECT_THAT(text_refusal([](EncoderSpec& s) { s.patch_norm = true; }),
              HasSubstr("takes no class token, patch_norm"));
  EXPECT_THAT(probe_refusal([](EncoderSpec& s) {
                s.read_blocks = {};
                s.read_out = ReadOut::kEnd;
              }),
              HasSubstr("read_out = \"end\" belongs to input = \"tokens\""));
}

}  // namespace
}  // namespace conopa::arch
