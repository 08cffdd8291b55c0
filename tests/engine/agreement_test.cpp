// The native engine against the libtorch executor, over every switch of the spec.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/arch/specs.h"
#include "tests/engine/agreement.h"

namespace conopa::engine {
namespace {

using arch::ClassToken, arch::EncoderSpec, arch::Mask, arch::Mlp, arch::Norm, arch::Position,
    arch::ReadOut, arch::Rotary;
using nn::Variant;

std::vector<Variant> plain_variants() {
  return {
      {"illama", [](EncoderSpec&) {}},
      {"soft_mask_half", [](EncoderSpec& s) { s.mask_rate = 0.5; }},
      {"causal", [](EncoderSpec& s) { s.mask = Mask::kCausal; }},
      {"causal_front",
       [](EncoderSpec& s) {
         s.mask = Mask::kCausal;
         s.class_token = ClassToken::kFront;
       }},
      {"soft_front",
       [](EncoderSpec& s) {
         s.class_token = ClassToken::kFront;
         s.mask_rate = 0.3;
       }},
      {"first_open",
       [](EncoderSpec& s) {
         s.mask = Mask::kCausalFirstOpen;
         s.class_token = ClassToken::kFront;
       }},
      {"vit",
       [](EncoderSpec& s) {
         s.mask = Mask::kBidirectional;
         s.class_token = ClassToken::kFront;
         s.rotary = Rotary::kNone;
         s.norm = Norm::kLayer;
         s.mlp = Mlp::kGelu;
         s.mlp_bias = true;
       }},
      {"mean",
       [](EncoderSpec& s) {
         s.read_out = ReadOut::kMean;
         s.class_token = ClassToken::kNone;
         s.mask = Mask::kBidirectional;
         s.rotary = Rotary::kPlane;
         s.rope_scaling = arch::RopeScaling::kAnchor;
         s.rope_anchor = 8;
         s.position = Position::kNone;
       }},
      {"mean_norm",
       [](EncoderSpec& s) {
         s.read_out = ReadOut::kMeanNorm;
         s.class_token = ClassToken::kFront;
         s.mask = Mask::kBidirectional;
       }},
      {"norm_mean_norm_sincos",
       [](EncoderSpec& s) {
         s.read_out = ReadOut::kNormMeanNorm;
         s.position = Position::kSinCos;
         s.patch_norm = true;
         s.norm = Norm::kLayer;
       }},
      {"late_token",
       [](EncoderSpec& s) {
         s.read_out = ReadOut::kMean;
         s.class_token = ClassToken::kLate;
         s.mask = Mask::kBidirectional;
       }},
      {"spare_row",
       [](EncoderSpec& s) {
         s.read_out = ReadOut::kMean;
         s.class_token = ClassToken::kNone;
         s.mask = Mask::kBidirectional;
         s.position_spare_row = true;
       }},
      {"conditional",
       [](EncoderSpec& s) {
         s.position = Position::kConditional;
         s.mask = Mask::kBidirectional;
         s.class_token = ClassToken::kFront;
       }},
      {"rope_per_head_part_off",
       [](EncoderSpec& s) {
         s.rope_per_head = true;
         s.rope_off_blocks = {1};
       }},
      {"rope_part", [](EncoderSpec& s) { s.rope_ratio = 0.5; }},
      {"layer_scale_no_bias",
       [](EncoderSpec& s) {
         s.layer_scale = 0.1;
         s.qkv_bias = false;
         s.proj_bias = false;
       }},
      {"qk_norm", [](EncoderSpec& s) { s.qk_norm = arch::QkNorm::kRmsAfterRotary; }},
      {"swiglu_bias", [](EncoderSpec& s) { s.mlp_bias = true; }},
      {"probe", [](EncoderSpec& s) { s.head_norm = arch::HeadNorm::kBatch; }},
      {"gray_7x7_pad",
       [](EncoderSpec& s) {
         s.channels = 1;
         s.patch = 7;
         s.remainder = arch::Remainder::kPad;
       }},
      {"odd_widths",
       [](EncoderSpec& s) {
         s.dim = 30;
         s.mlp_hidden = 37;
         s.rotary = Rotary::kLine;
       }},
  };
}

EncoderSpec pyramid(const nn::Edit& edit) {
  EncoderSpec spec = arch::pyramid_spec();
  spec.num_classes = 5;
  if (edit) edit(spec);
  spec.resolve();
  return spec;
}

std::vector<Variant> pyramid_variants() {
  return {
      {"masked", [](EncoderSpec&) {}},
      {"attended", [](EncoderSpec& s) { s.window_padding = arch::WindowPadding::kAttended; }},
      {"attended_without_rotation",
       [](EncoderSpec& s) {
         s.window_padding = arch::WindowPadding::kAttended;
         s.rotary = Rotary::kNone;
       }},
      {"windows_of_3",
       [](EncoderSpec& s) {
         s.stage_windows = {3, 2};
       }},
      {"conditional_released",
       [](EncoderSpec& s) {
         s.position = Position::kConditional;
         s.read_out = ReadOut::kNormMeanNorm;
         s.rope_keys = arch::RopeKeys::kOfficial;
         s.rope_scaling = arch::RopeScaling::kOfficial14;
         s.norm = Norm::kLayer;
         s.mlp = Mlp::kGelu;
       }},
      {"uneven_pooling",
       [](EncoderSpec& s) {
         s.stage_reductions = {3, 2};
       }},
  };
}

// Rounding to steps turns the last bit of a sum into a whole step here and there: tolerance of a
// level of eight bits.
TEST(LsqAgreementTest, EveryMaskAndMlp) {
  for (const Mask mask : {Mask::kSoftCausal, Mask::kCausal, Mask::kBidirectional}) {
    for (const Mlp mlp : {Mlp::kSwiglu, Mlp::kGelu}) {
      const EncoderSpec spec = nn::small_spec([&](EncoderSpec& s) {
        s.quantization = arch::Quantization::kLsq;
        s.mask = mask;
        s.mlp = mlp;
        if (mask == Mask::kSoftCausal) s.mask_rate = 0.5;
      });
      expect_agreement(spec, {}, 2e-2);
    }
  }
}

class PlainAgreementTest : public ::testing::TestWithParam<Variant> {};
INSTANTIATE_TEST_SUITE_P(Specs, PlainAgreementTest, ::testing::ValuesIn(plain_variants()),
                         [](const auto& test) { return test.param.name; });

TEST_P(PlainAgreementTest, Fp32) {
  const EncoderSpec spec = nn::small_spec(GetParam().edit);
  for (const kernels::Isa isa : kernels::available_isas()) {
    SCOPED_TRACE(kernels::isa_name(isa));
    expect_agreement(spec, {.precision = Precision::kFp32, .isa = isa}, 2e-5);
  }
}

// Operands carry 8 bits of mantissa; the small widths here average little of it away.
TEST_P(PlainAgreementTest, Bf16) {
  const EncoderSpec spec = nn::small_spec(GetParam().edit);
  for (const kernels::Isa isa : kernels::available_isas()) {
    SCOPED_TRACE(kernels::isa_name(isa));
    expect_agreement(spec, {.precision = Precision::kBf16, .isa = isa}, 4e-2);
  }
}

TEST_P(PlainAgreementTest, Int8) {
  const EncoderSpec spec = nn::small_spec(GetParam().edit);
  for (const kernels::Isa isa : kernels::available_isas()) {
    SCOPED_TRACE(kernels::isa_name(isa));
    expect_agreement(spec, {.precision = Precision::kInt8, .isa = isa}, 8e-2);
  }
}

class PyramidAgreementTest : public ::testing::TestWithParam<Variant> {};
INSTANTIATE_TEST_SUITE_P(Specs, PyramidAgreementTest, ::testing::ValuesIn(pyramid_variants()),
                         [](const auto& test) { return test.param.name; });

TEST_P(PyramidAgreementTest, AllPrecisions) {
  const EncoderSpec spec = pyramid(GetParam().edit);
  for (const kernels::Isa isa : kernels::available_isas()) {
    SCOPED_TRACE(kernels::isa_name(isa));
    expect_agreement(spec, {.precision = Precision::kFp32, .isa = isa}, 2e-5);
    expect_agreement(spec, {.precision = Precision::kBf16, .isa = isa}, 4e-2);
    expect_agreement(spec, {.precision = Precision::kInt8, .isa = isa}, 8e-2);
  }
}

}  // namespace
}  // namespace conopa::engine
