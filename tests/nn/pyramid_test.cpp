// Stages, windows, pooled keys and the position schemes around them.

#include <gtest/gtest.h>

#include "conopa/core/error.h"
#include "tests/nn/encoder_testing.h"

namespace conopa::nn {
namespace {

arch::EncoderSpec pyramid_spec(const Edit& edit = {}) {
  arch::EncoderSpec spec;
  spec.family = "visionllama_pyramid";
  spec.height = 36;  // maps 9x12 and 5x6: windows and pooling leave remainders
  spec.width = 48;
  spec.patch = 4;
  spec.remainder = arch::Remainder::kPad;
  spec.stage_dims = {16, 24};
  spec.stage_depths = {3, 2};
  spec.stage_heads = {2, 3};
  spec.stage_windows = {4, 4};
  spec.stage_reductions = {2, 1};
  spec.stage_hidden = {20, 28};
  spec.patch_norm = true;
  spec.class_token = arch::ClassToken::kNone;
  spec.position = arch::Position::kNone;
  spec.rotary = arch::Rotary::kPlane;
  spec.mask = arch::Mask::kBidirectional;
  spec.norm = arch::Norm::kLayer;
  spec.layer_scale = 0.1;
  spec.read_out = arch::ReadOut::kMeanNorm;
  spec.num_classes = 5;
  if (edit) edit(spec);
  spec.resolve();
  return spec;
}

at::Tensor logits_of(const arch::EncoderSpec& spec, const at::Tensor& images) {
  Encoder encoder(spec);
  randomise(encoder);
  return encoder.forward(images, {}).logits;
}

class PyramidVariantTest : public testing::TestWithParam<Variant> {};

TEST_P(PyramidVariantTest, FusedKernelsGiveTheGradientsOfStockOperations) {
  expect_fused_equals_stock(pyramid_spec(GetParam().edit));
}

TEST_P(PyramidVariantTest, CheckpointingChangesNothing) {
  expect_checkpointing_changes_nothing(pyramid_spec(GetParam().edit));
}

TEST_P(PyramidVariantTest, CaptureChangesNothing) {
  const Capture capture = expect_capture_changes_nothing(pyramid_spec(GetParam().edit));
  EXPECT_EQ(capture.at("stage0_patch_embed").sizes().vec(), (Shape{3, 108, 16}));
  EXPECT_EQ(capture.at("stage1_block1_out").sizes().vec(), (Shape{3, 30, 24}));
}

INSTANTIATE_TEST_SUITE_P(
    Specs, PyramidVariantTest,
    testing::Values(Variant{"masked_windows", {}},
                    Variant{"attended_windows",
                            [](auto& s) { s.window_padding = arch::WindowPadding::kAttended; }},
                    Variant{"released",
                            [](auto& s) {
                              s.window_padding = arch::WindowPadding::kAttended;
                              s.rope_keys = arch::RopeKeys::kOfficial;
                              s.rope_grid = arch::RopeGrid::kOfficial;
                              s.rope_scaling = arch::RopeScaling::kOfficial14;
                              s.read_out = arch::ReadOut::kNormMeanNorm;
                            }},
                    Variant{"line", [](auto& s) { s.rotary = arch::Rotary::kLine; }},
                    Variant{"no_rotation", [](auto& s) { s.rotary = arch::Rotary::kNone; }},
                    Variant{"learned", [](auto& s) { s.position = arch::Position::kLearned; }},
                    Variant{"conditional",
                            [](auto& s) { s.position = arch::Position::kConditional; }},
                    Variant{"gelu_rms_unscaled",
                            [](auto& s) {
                              s.mlp = arch::Mlp::kGelu;
                              s.mlp_bias = true;
                              s.norm = arch::Norm::kRms;
                              s.layer_scale = 0.0;
                            }},
                    Variant{"partial_ntk",
                            [](auto& s) {
                              s.rope_ratio = 0.5;
                              s.rope_ntk = 2.0;
                            }},
                    Variant{"constant_drop_path",
                            [](auto& s) {
                              s.drop_path = 0.4;
                              s.drop_path_shape = arch::DropShape::kConstant;
                            }}),
    [](const auto& variant) { return variant.param.name; });

TEST(PyramidTest, WindowPaddingIsTheSameWhereWindowsDivide) {
  const Edit divides = [](auto& s) { s.height = s.width = 32; };  // maps 8x8 and 4x4
  const arch::EncoderSpec masked = pyramid_spec(divides);
  const arch::EncoderSpec attended = pyramid_spec([&](auto& s) {
    divides(s);
    s.window_padding = arch::WindowPadding::kAttended;
  });
  EXPECT_LT(
      difference(logits_of(masked, images_of(masked)), logits_of(attended, images_of(masked))),
      1e-6);
}

TEST(PyramidTest, WindowPaddingMattersWhereTheyDoNot) {
  const arch::EncoderSpec masked = pyramid_spec();
  const arch::EncoderSpec attended =
      pyramid_spec([](auto& s) { s.window_padding = arch::WindowPadding::kAttended; });
  EXPECT_GT(
      difference(logits_of(masked, images_of(masked)), logits_of(attended, images_of(masked))),
      1e-4);
}

TEST(PyramidTest, LocalBlocksStayInsideTheirWindows) {
  // One local block: a pixel of the first window must not reach tokens of another.
  const arch::EncoderSpec spec = pyramid_spec([](auto& s) { s.stage_depths = {1, 1}; });
  Encoder encoder(spec);
  randomise(encoder);
  const auto first_block = [&](const at::Tensor& images) {
    Capture capture;
    ForwardOptions options;
    options.capture = &capture;
    static_cast<void>(encoder.forward(images, options));
    return capture.at("stage0_block0_out").view({1, 9, 12, 16});
  };
  const at::Tensor images = images_of(spec, 1);
  at::Tensor changed = images.clone();
  changed.select(2, 0).select(2, 0).add_(1.0);
  const at::Tensor moved = (first_block(changed) - first_block(images)).abs().amax(-1)[0];
  EXPECT_GT(moved.narrow(0, 0, 4).narrow(1, 0, 4).min().item<double>(), 0.0);
  EXPECT_EQ(moved.narrow(0, 4, 5).max().item<double>(), 0.0);
  EXPECT_EQ(moved.narrow(1, 4, 8).max().item<double>(), 0.0);
}

TEST(PyramidTest, FeatureMapsHaveTheSizesOfTheirStages) {
  const arch::EncoderSpec spec = pyramid_spec([](auto& s) { s.feature_blocks = {2, 4}; });
  Encoder encoder(spec);
  randomise(encoder);
  const auto maps = encoder.feature_maps(images_of(spec), {});
  EXPECT_EQ(maps.at(0).sizes().vec(), (Shape{3, 16, 9, 12}));
  EXPECT_EQ(maps.at(1).sizes().vec(), (Shape{3, 24, 5, 6}));
}

}  // namespace
}  // namespace conopa::nn
