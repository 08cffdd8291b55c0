#include "conopa/nn/encoder.h"

#include <ATen/TensorOperators.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/arch/registry.h"
#include "conopa/core/error.h"
#include "conopa/nn/convert.h"
#include "tests/nn/encoder_testing.h"

namespace conopa::nn {
namespace {

class EncoderVariantTest : public testing::TestWithParam<Variant> {};

TEST_P(EncoderVariantTest, FusedKernelsGiveTheGradientsOfStockOperations) {
  expect_fused_equals_stock(small_spec(GetParam().edit));
}

TEST_P(EncoderVariantTest, CheckpointingChangesNothing) {
  expect_checkpointing_changes_nothing(small_spec(GetParam().edit));
}

TEST_P(EncoderVariantTest, TokenShortcutEqualsTheFullForward) {
  const Capture capture = expect_capture_changes_nothing(small_spec(GetParam().edit));
  EXPECT_TRUE(capture.contains("block2_out"));
}

INSTANTIATE_TEST_SUITE_P(Specs, EncoderVariantTest,
                         testing::Values(Variant{"released", {}},
                                         Variant{"soft_mask", [](auto& s) { s.mask_rate = 0.4; }},
                                         Variant{"causal",
                                                 [](auto& s) { s.mask = arch::Mask::kCausal; }},
                                         Variant{"first_open",
                                                 [](auto& s) {
                                                   s.mask = arch::Mask::kCausalFirstOpen;
                                                   s.class_token = arch::ClassToken::kFront;
                                                 }},
                                         Variant{"causal_front",
                                                 [](auto& s) {
                                                   s.mask = arch::Mask::kCausal;
                                                   s.class_token = arch::ClassToken::kFront;
                                                 }},
                                         Variant{"soft_front",
                                                 [](auto& s) {
                                                   s.mask_rate = 0.3;
                                                   s.class_token = arch::ClassToken::kFront;
                                                 }},
                                         Variant{"vit",
                                                 [](auto& s) {
                                                   s.norm = arch::Norm::kLayer;
                                                   s.mlp = arch::Mlp::kGelu;
                                                   s.mlp_bias = true;
                                                   s.mask = arch::Mask::kBidirectional;
                                                   s.rotary = arch::Rotary::kNone;
                                                   s.class_token = arch::ClassToken::kFront;
                                                 }},
                                         Variant{"mean_layer_scale",
                                                 [](auto& s) {
                                                   s.read_out = arch::ReadOut::kMean;
                                                   s.class_token = arch::ClassToken::kNone;
                                                   s.layer_scale = 0.1;
                                                   s.qkv_bias = false;
                                                 }},
                                         Variant{"drop_path", [](auto& s) { s.drop_path = 0.5; }},
                                         Variant{"one_channel", [](auto& s) { s.channels = 1; }}),
                         [](const auto& variant) { return variant.param.name; });

TEST(EncoderTest, CausalClassTokenInFrontCollapses) {
  // The token sees itself alone: every image gets the same logits (paper section 3.3).
  const arch::EncoderSpec spec = small_spec([](auto& s) {
    s.mask = arch::Mask::kCausal;
    s.class_token = arch::ClassToken::kFront;
  });
  Encoder encoder(spec);
  randomise(encoder);
  const at::Tensor logits = encoder.forward(images_of(spec), {}).logits;
  EXPECT_LT(difference(logits.select(0, 0), logits.select(0, 1)), 1e-6);
}

TEST(EncoderTest, SoftMaskRateOneIsBidirectional) {
  const arch::EncoderSpec soft = small_spec();
  const arch::EncoderSpec open = small_spec([](auto& s) { s.mask = arch::Mask::kBidirectional; });
  Encoder a(soft);
  Encoder b(open);
  randomise(a);
  randomise(b);
  ForwardOptions options;
  options.mask_rate = 1.0;
  EXPECT_LT(
      difference(a.forward(images_of(soft), options).logits, b.forward(images_of(open), {}).logits),
      1e-5);
}

TEST(EncoderTest, DropPathIsAFunctionOfSeedAndStep) {
  const arch::EncoderSpec spec = small_spec([](auto& s) { s.drop_path = 0.9; });
  Encoder encoder(spec);
  randomise(encoder);
  const auto logits = [&](std::uint64_t step) {
    ForwardOptions options;
    options.training = true;
    options.random = {.seed = 3, .step = step};
    return encoder.forward(images_of(spec, 8), options).logits;
  };
  EXPECT_EQ(difference(logits(1), logits(1)), 0.0);
  EXPECT_GT(difference(logits(1), logits(2)), 1e-3);
}

TEST(EncoderTest, Bf16ProductsStayCloseToFloat32) {
  const arch::EncoderSpec spec = small_spec();
  for (const Ops ops : {Ops::kFused, Ops::kStock}) {
    ForwardOptions exact;
    exact.training = true;
    exact.exec.ops = ops;
    ForwardOptions rounded = exact;
    rounded.exec.precision = Precision::kBf16;
    const auto a = gradients(spec, rounded);
    const auto b = gradients(spec, exact);
    for (std::size_t i = 0; i < a.size(); ++i) EXPECT_LT(difference(a[i], b[i]), 0.08) << i;
    EXPECT_GT(difference(a[0], b[0]), 0.0);
  }
}

TEST(EncoderTest, RejectsImagesOfAnotherSize) {
  Encoder encoder(small_spec());
  const at::Tensor images = random_tensor({1, 3, 16, 16}, 1);
  EXPECT_THROW(static_cast<void>(encoder.forward(images, {})), ShapeError);
}

TEST(EncoderTest, FeatureMapsComeFromTheListedBlocks) {
  const arch::EncoderSpec spec = small_spec([](auto& s) { s.feature_blocks = {0, 2}; });
  Encoder encoder(spec);
  randomise(encoder);
  Capture capture;
  ForwardOptions options;
  options.capture = &capture;
  static_cast<void>(encoder.forward(images_of(spec), options));
  const auto maps = encoder.feature_maps(images_of(spec), {});
  ASSERT_EQ(maps.size(), 2U);
  EXPECT_EQ(maps[1].sizes().vec(), (Shape{3, 24, 3, 4}));
  const at::Tensor token = capture.at("block2_out").select(1, 5);  // row 1, column 1
  EXPECT_EQ(difference(maps[1].select(2, 1).select(2, 1), token), 0.0);
}

TEST(ParametersTest, InitialisationDependsOnSeedAndNameOnly) {
  Parameters a{arch::TensorTable(small_spec())};
  Parameters b{arch::TensorTable(small_spec([](auto& s) { s.depth = 2; }))};
  a.initialize(5);
  b.initialize(5);
  const std::string name = arch::names::block(1, arch::names::kQkv) + ".weight";
  EXPECT_EQ(difference(a.require(name), b.require(name)), 0.0);
  b.initialize(6);
  EXPECT_GT(difference(a.require(name), b.require(name)), 0.1);
  EXPECT_NEAR(a.require(name).std().item<double>(), 0.02, 0.003);
  EXPECT_EQ(a.require("norm.weight").min().item<double>(), 1.0);
}

TEST(ParametersTest, StrictLoadChangesNothingWhenItFails) {
  Parameters parameters{arch::TensorTable(small_spec())};
  parameters.initialize(1);
  const at::Tensor before = parameters.require("head.bias").clone();
  const auto source = [](const std::string& name) -> std::optional<HostTensor> {
    if (name != "head.bias") return std::nullopt;
    return HostTensor::of<float>(DType::kF32, {5}, std::vector<float>{1, 2, 3, 4, 5});
  };
  EXPECT_THROW(parameters.load(source, LoadPolicy::kStrict, "x"), FormatError);
  EXPECT_EQ(difference(parameters.require("head.bias"), before), 0.0);
  const arch::KeyReport report = parameters.load(source, LoadPolicy::kPartial, "x");
  EXPECT_EQ(report.missing.size(), parameters.size() - 1);
  EXPECT_EQ(parameters.require("head.bias")[4].item<float>(), 5.0F);
}

TEST(ParametersTest, HostCopiesRoundTrip) {
  Parameters a{arch::TensorTable(small_spec())};
  Parameters b{arch::TensorTable(small_spec())};
  a.initialize(1);
  b.initialize(2);
  const auto host = a.to_host();
  b.load([&](const std::string& name) -> std::optional<HostTensor> { return host.at(name); },
         LoadPolicy::kStrict, "copy");
  for (std::size_t i = 0; i < a.size(); ++i)
    EXPECT_EQ(difference(a.tensors()[i], b.tensors()[i]), 0.0);
}

}  // namespace
}  // namespace conopa::nn
