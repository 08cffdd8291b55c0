#include "conopa/train/initial_weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/arch/init.h"
#include "conopa/core/error.h"
#include "conopa/io/model_folder.h"
#include "tests/train/toy.h"

namespace conopa::train {
namespace {

using testing::HasSubstr;

// A pyramid on 16x16 pixels whose first stage pools its keys.
arch::EncoderSpec pyramid() {
  arch::EncoderSpec spec;
  spec.family = "visionllama_pyramid";
  spec.height = spec.width = 16;
  spec.patch = 2;
  spec.stage_dims = {8, 16};
  spec.stage_depths = {2, 2};
  spec.stage_heads = {1, 2};
  spec.stage_windows = {4, 4};
  spec.stage_reductions = {2, 1};
  spec.stage_hidden = {16, 32};
  spec.class_token = arch::ClassToken::kNone;
  spec.position = arch::Position::kNone;
  spec.rotary = arch::Rotary::kPlane;
  spec.rope_scaling = arch::RopeScaling::kAnchor;
  spec.rope_anchor = 16;
  spec.mask = arch::Mask::kBidirectional;
  spec.read_out = arch::ReadOut::kMeanNorm;
  spec.num_classes = 4;
  spec.resolve();
  return spec;
}

void write_model(const std::filesystem::path& path, const arch::EncoderSpec& spec) {
  std::vector<NamedTensor> tensors;
  const arch::TensorTable table(spec);
  for (const arch::TensorEntry& entry : table.entries()) {
    tensors.push_back({entry.name, arch::initial_tensor(entry, 5)});
  }
  write_model_folder(path, {.config_json = arch::spec_to_json(spec),
                            .preprocessor_json = "",
                            .readme = "",
                            .tensors = tensors,
                            .metadata = {}});
}

class RotaryRuleTest : public testing::Test {
 protected:
  RotaryRuleTest() { write_model(folder_ / "m", pyramid()); }

  // The message of loading the stored weights into a model of the spec; empty if they were taken.
  std::string load(arch::EncoderSpec spec, InitPolicy policy = InitPolicy::kStrict) {
    spec.resolve();
    parameters_.emplace(arch::TensorTable(spec));
    parameters_->initialize(1);
    try {
      load_initial_weights(folder_ / "m", spec, *parameters_, policy);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "";
  }

  bool holds_the_stored_weights() {
    const arch::TensorTable table(pyramid());
    const arch::TensorEntry& entry = *table.find("blocks.0.0.attn.qkv.weight");
    return parameters_->to_host().at(entry.name).to_f32() ==
           arch::initial_tensor(entry, 5).to_f32();
  }

  TestFolder folder_;
  std::optional<nn::Parameters> parameters_;
};

TEST_F(RotaryRuleTest, TakesWeightsOfTheSameRuleAtAnotherSize) {
  arch::EncoderSpec spec = pyramid();
  spec.height = spec.width = 32;
  EXPECT_EQ(load(spec), "");
  EXPECT_TRUE(holds_the_stored_weights());
}

TEST_F(RotaryRuleTest, RefusesWeightsOfOtherKeyCoordinatesByName) {
  arch::EncoderSpec spec = pyramid();
  spec.rope_keys = arch::RopeKeys::kOfficial;
  const std::string message = load(spec);
  EXPECT_THAT(message, HasSubstr("keys paper'"));
  EXPECT_THAT(message, HasSubstr("keys official'"));
  EXPECT_THAT(message, HasSubstr("init_policy"));
  EXPECT_FALSE(holds_the_stored_weights());
}

TEST_F(RotaryRuleTest, RefusesEveryOtherRule) {
  const auto with = [](auto change) {
    arch::EncoderSpec spec = pyramid();
    change(spec);
    return spec;
  };
  using arch::EncoderSpec;
  EXPECT_THAT(load(with([](EncoderSpec& s) { s.rope_theta = 100.0; })), HasSubstr("theta 100,"));
  EXPECT_THAT(load(with([](EncoderSpec& s) { s.rope_anchor = 224; })), HasSubstr("anchor 224 px"));
  EXPECT_THAT(load(with([](EncoderSpec& s) { s.rope_scaling = arch::RopeScaling::kOfficial14; })),
              HasSubstr("scaling official14"));
  EXPECT_THAT(load(with([](EncoderSpec& s) { s.rope_ratio = 0.5; })), HasSubstr("ratio 0.5"));
  EXPECT_THAT(load(with([](EncoderSpec& s) { s.rotary = arch::Rotary::kNone; })),
              HasSubstr("no rotation"));
}

TEST_F(RotaryRuleTest, PartialPolicyTakesThemAllTheSame) {
  arch::EncoderSpec spec = pyramid();
  spec.rope_keys = arch::RopeKeys::kOfficial;
  EXPECT_EQ(load(spec, InitPolicy::kPartial), "");
  EXPECT_TRUE(holds_the_stored_weights());
}

}  // namespace
}  // namespace conopa::train
