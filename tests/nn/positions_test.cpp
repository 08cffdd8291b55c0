// Position schemes of plain encoders, and encoding of chosen patches.

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>
#include <gtest/gtest.h>

#include "conopa/core/error.h"
#include "tests/nn/encoder_testing.h"

namespace conopa::nn {
namespace {

arch::EncoderSpec plane_spec(const Edit& edit = {}) {
  return small_spec([&](auto& s) {
    s.family = "visionllama";
    s.rotary = arch::Rotary::kPlane;
    s.position = arch::Position::kNone;
    s.class_token = arch::ClassToken::kFront;
    s.mask = arch::Mask::kBidirectional;
    s.norm = arch::Norm::kLayer;
    if (edit) edit(s);
  });
}

class PositionVariantTest : public testing::TestWithParam<Variant> {};

TEST_P(PositionVariantTest, FusedKernelsGiveTheGradientsOfStockOperations) {
  expect_fused_equals_stock(plane_spec(GetParam().edit));
}

TEST_P(PositionVariantTest, TokenShortcutEqualsTheFullForward) {
  const Capture capture = expect_capture_changes_nothing(plane_spec(GetParam().edit));
  EXPECT_TRUE(capture.contains("block2_out"));
}

INSTANTIATE_TEST_SUITE_P(
    Specs, PositionVariantTest,
    testing::Values(Variant{"plane", {}},
                    Variant{"anchored",
                            [](auto& s) {
                              s.rope_scaling = arch::RopeScaling::kAnchor;
                              s.rope_anchor = 48;
                            }},
                    Variant{"per_head", [](auto& s) { s.rope_per_head = true; }},
                    Variant{"partial", [](auto& s) { s.rope_ratio = 0.5; }},
                    Variant{"some_blocks",
                            [](auto& s) {
                              s.rope_off_blocks = {0, 2};
                            }},
                    Variant{"fixed_class",
                            [](auto& s) {
                              s.rope_class = arch::RopeClass::kFixed;
                              s.rope_class_at = 2;
                            }},
                    Variant{"conditional",
                            [](auto& s) { s.position = arch::Position::kConditional; }},
                    Variant{"sincos", [](auto& s) { s.position = arch::Position::kSinCos; }},
                    Variant{"padded_image",
                            [](auto& s) {
                              s.height = 10;
                              s.remainder = arch::Remainder::kPad;
                            }},
                    Variant{"spare_row",
                            [](auto& s) {
                              s.position = arch::Position::kLearned;
                              s.class_token = arch::ClassToken::kNone;
                              s.position_spare_row = true;
                              s.read_out = arch::ReadOut::kMeanNorm;
                            }}),
    [](const auto& variant) { return variant.param.name; });

TEST(VisiblePatchesTest, AllInOrderIsTheWholeImage) {
  for (const arch::ClassToken token : {arch::ClassToken::kNone, arch::ClassToken::kFront,
                                       arch::ClassToken::kBack, arch::ClassToken::kLate}) {
    const arch::EncoderSpec spec = plane_spec([&](auto& s) {
      s.class_token = token;
      s.read_out = arch::ReadOut::kMean;
    });
    Encoder encoder(spec);
    randomise(encoder);
    ForwardOptions options;
    options.visible = at::arange(12).expand({3, 12});
    EXPECT_LT(
        difference(encoder.encode(images_of(spec), options), encoder.encode(images_of(spec), {})),
        1e-6);
  }
}

TEST(VisiblePatchesTest, TokensKeepTheirPlaceWhateverTheirOrder) {
  const arch::EncoderSpec spec = plane_spec([](auto& s) {
    s.class_token = arch::ClassToken::kNone;
    s.read_out = arch::ReadOut::kMean;
    s.rope_per_head = true;
  });
  for (const Ops ops : {Ops::kStock, Ops::kFused}) {
    Encoder encoder(spec);
    randomise(encoder);
    ForwardOptions options;
    options.exec.ops = ops;
    const at::Tensor order = at::stack({at::arange(12).flip(0), at::arange(12), at::arange(12)});
    options.visible = order;
    const at::Tensor shuffled = encoder.encode(images_of(spec), options);
    options.visible = at::Tensor();
    const at::Tensor plain = encoder.encode(images_of(spec), options);
    EXPECT_LT(difference(shuffled[0].flip(0), plain[0]), 1e-5);
    EXPECT_LT(difference(shuffled[1], plain[1]), 1e-5);
  }
}

TEST(VisiblePatchesTest, HiddenPatchesHaveNoInfluence) {
  const arch::EncoderSpec spec = plane_spec();
  Encoder encoder(spec);
  randomise(encoder);
  ForwardOptions options;
  options.visible = at::arange(1, 5).expand({3, 4});  // not patch 0
  const at::Tensor images = images_of(spec);
  at::Tensor changed = images.clone();
  changed.narrow(2, 0, 4).narrow(3, 0, 4).add_(1.0);
  EXPECT_EQ(difference(encoder.encode(changed, options), encoder.encode(images, options)), 0.0);
}

TEST(VisiblePatchesTest, RefusesSpecsThatNeedTheWholeMap) {
  const arch::EncoderSpec spec =
      plane_spec([](auto& s) { s.position = arch::Position::kConditional; });
  Encoder encoder(spec);
  randomise(encoder);
  ForwardOptions options;
  options.visible = at::arange(4).expand({3, 4});
  EXPECT_THROW(static_cast<void>(encoder.encode(images_of(spec), options)), ConfigError);
}

TEST(DropPathTest, CanSpareTheFeedForwardBranch) {
  const arch::EncoderSpec both = plane_spec([](auto& s) {
    s.drop_path = 0.6;
    s.drop_path_shape = arch::DropShape::kConstant;
  });
  arch::EncoderSpec attention_only = both;
  attention_only.drop_path_branches = arch::DropBranches::kAttention;
  const auto logits = [](const arch::EncoderSpec& spec) {
    Encoder encoder(spec);
    randomise(encoder);
    ForwardOptions options;
    options.training = true;
    options.random = {.seed = 1, .step = 2};
    return encoder.forward(images_of(spec, 8), options).logits;
  };
  EXPECT_GT(difference(logits(both), logits(attention_only)), 1e-4);
}

TEST(ProbeHeadTest, BatchNormLearnsItsStatisticsInTraining) {
  const arch::EncoderSpec spec = plane_spec([](auto& s) { s.head_norm = arch::HeadNorm::kBatch; });
  Encoder encoder(spec);
  encoder.parameters().initialize(1);
  const at::Tensor before = encoder.forward(images_of(spec), {}).logits;
  ForwardOptions training;
  training.training = true;
  static_cast<void>(encoder.forward(images_of(spec), training));
  EXPECT_EQ(encoder.parameters().require("head_norm.num_batches_tracked").item<float>(), 1.0F);
  EXPECT_GT(difference(encoder.forward(images_of(spec), {}).logits, before), 1e-4);
  EXPECT_THROW(static_cast<void>(encoder.forward(images_of(spec, 1), training)), ShapeError);
}

}  // namespace
}  // namespace conopa::nn
