#include "conopa/arch/rotary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/arch/specs.h"

namespace conopa::arch {
namespace {

RotaryTable token_table(EncoderSpec spec) {
  spec.resolve();
  return rotary_table(rotary_ladder(spec, spec.stages()[0], RotaryRole::kTokens),
                      token_coordinates(spec));
}

// Angles from their cosines and sines, in (−π, π].
std::vector<double> angles(const RotaryTable& table) {
  std::vector<double> out;
  for (std::size_t i = 0; i < table.cos.size(); ++i) {
    out.push_back(std::atan2(table.sin[i], table.cos[i]));
  }
  return out;
}

TEST(RotaryTest, OnALineTokenPTurnsByPTimesTheFrequencies) {
  EncoderSpec spec = plane_spec(16, 24);
  spec.dim = 4;
  spec.class_token = ClassToken::kBack;
  spec.rotary = Rotary::kLine;
  const RotaryTable table = token_table(spec);
  ASSERT_EQ(table.tokens, 7);
  ASSERT_EQ(table.half, 2);
  EXPECT_FLOAT_EQ(table.cos[0], 1.0F);
  EXPECT_NEAR(table.sin[3 * 2 + 0], std::sin(3.0), 1e-6);
  EXPECT_NEAR(table.cos[6 * 2 + 1], std::cos(6.0 / 100.0), 1e-6);
}

TEST(RotaryTest, InAPlaneColumnAndRowAnglesAlternate) {
  const std::vector<double> angle = angles(token_table(plane_spec(16, 24)));
  ASSERT_EQ(angle.size(), 6U * 4U);
  // Token 5 of a 2x3 grid stands at column 2, row 1; the head of 8 has frequencies 1 and 1/100.
  EXPECT_NEAR(angle[5 * 4 + 0], 2.0, 1e-6);
  EXPECT_NEAR(angle[5 * 4 + 1], 1.0, 1e-6);
  EXPECT_NEAR(angle[5 * 4 + 2], 0.02, 1e-6);
  EXPECT_NEAR(angle[5 * 4 + 3], 0.01, 1e-6);
}

TEST(RotaryTest, HeadsOfTheirOwnTakeSlicesOfOneLadder) {
  EncoderSpec spec = plane_spec(16, 24);
  spec.heads = 2;
  spec.rope_per_head = true;
  const RotaryTable table = token_table(spec);
  ASSERT_EQ(table.heads, 2);
  ASSERT_EQ(table.half, 2);
  const std::vector<double> angle = angles(table);
  // The ladder over 8 channels is 1, 1/100; the first head takes the first step, the second the
  // other.
  EXPECT_NEAR(angle[5 * 2 + 0], 2.0, 1e-6);
  EXPECT_NEAR(angle[5 * 2 + 1], 1.0, 1e-6);
  EXPECT_NEAR(angle[(6 + 5) * 2 + 0], 0.02, 1e-6);
  EXPECT_NEAR(angle[(6 + 5) * 2 + 1], 0.01, 1e-6);
}

TEST(RotaryTest, APartOfTheHeadTurnsUnderALadderOfItsOwn) {
  EncoderSpec spec = plane_spec(16, 24);
  spec.rope_ratio = 0.5;
  const std::vector<double> angle = angles(token_table(spec));
  // Four of eight channels: one frequency, 1, and the rest stands still.
  EXPECT_NEAR(angle[5 * 4 + 0], 2.0, 1e-6);
  EXPECT_NEAR(angle[5 * 4 + 1], 1.0, 1e-6);
  EXPECT_EQ(angle[5 * 4 + 2], 0.0);
  EXPECT_EQ(angle[5 * 4 + 3], 0.0);
}

TEST(RotaryTest, NtkStretchesTheBaseOfGlobalAttention) {
  EncoderSpec spec = pyramid_spec();
  spec.rope_ntk = 2.0;
  spec.rope_ntk_acts_on = RopeNtk::kQueries;
  spec.resolve();
  const Stage stage = spec.stages()[0];
  EXPECT_EQ(rotary_ladder(spec, stage, RotaryRole::kQueries).theta, 20000.0);
  EXPECT_EQ(rotary_ladder(spec, stage, RotaryRole::kKeys).theta, 10000.0);
  EXPECT_EQ(rotary_ladder(spec, stage, RotaryRole::kWindow).theta, 10000.0);
  spec.rope_ntk_acts_on = RopeNtk::kBoth;
  EXPECT_EQ(rotary_ladder(spec, stage, RotaryRole::kKeys).theta, 20000.0);
  EXPECT_EQ(rotary_ladder(spec, stage, RotaryRole::kWindow).theta, 10000.0);
}

TEST(RotaryTest, NtkBaseOfLongerLines) {
  EXPECT_DOUBLE_EQ(ntk_theta(10000.0, 2.0, 1.0, 64), 10000.0);
  // factor 2, twice the length: 10000·3^(4/2).
  EXPECT_NEAR(ntk_theta(10000.0, 2.0, 2.0, 4), 90000.0, 1e-6);
}

TEST(RotaryRuleTest, NamesWhatDiffers) {
  EncoderSpec spec = plane_spec(64, 64);
  spec.rope_scaling = RopeScaling::kAnchor;
  spec.rope_anchor = 32;
  spec.resolve();
  EXPECT_EQ(rotary_rule(spec), "plane, theta 10000, anchor 32 px, grid true");
  EncoderSpec pyramid = pyramid_spec();
  pyramid.rope_keys = RopeKeys::kOfficial;
  pyramid.resolve();
  EXPECT_THAT(rotary_rule(pyramid), testing::HasSubstr("keys official"));
}

TEST(RotaryRuleTest, ImageSizeAloneChangesNoRuleButEveryFieldDoes) {
  EncoderSpec spec = plane_spec(64, 64);
  spec.rope_scaling = RopeScaling::kAnchor;
  spec.resolve();
  EncoderSpec larger = spec;
  larger.height = larger.width = 128;
  larger.resolve();
  EXPECT_TRUE(rotary_rules_agree(spec, larger));
  const auto differs = [&spec](auto change) {
    EncoderSpec other = spec;
    change(other);
    return !rotary_rules_agree(spec, other);
  };
  EXPECT_TRUE(differs([](EncoderSpec& s) { s.rotary = Rotary::kLine; }));
  EXPECT_TRUE(differs([](EncoderSpec& s) { s.rope_theta = 100.0; }));
  EXPECT_TRUE(differs([](EncoderSpec& s) { s.rope_ratio = 0.5; }));
  EXPECT_TRUE(differs([](EncoderSpec& s) { s.rope_per_head = true; }));
  EXPECT_TRUE(differs([](EncoderSpec& s) { s.rope_scale = 2.0; }));
  EXPECT_TRUE(differs([](EncoderSpec& s) { s.rope_scaling = RopeScaling::kNone; }));
  EXPECT_TRUE(differs([](EncoderSpec& s) { s.rope_anchor = 224; }));
  EXPECT_TRUE(differs([](EncoderSpec& s) { s.rope_grid = RopeGrid::kOfficial; }));
  EXPECT_TRUE(differs([](EncoderSpec& s) { s.rope_ntk = 2.0; }));
}

}  // namespace
}  // namespace conopa::arch
