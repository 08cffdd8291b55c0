// The native engine against the libtorch executor over what AIM's families need: computed
// positions, averaged blocks, attention pooling, LoRA, prefixes, tokens, other sizes and decoders.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/nn/autoregressor.h"
#include "tests/engine/agreement.h"

namespace conopa::engine {
namespace {

using arch::EncoderSpec, arch::HeadNorm, arch::Mask, arch::Mixer, arch::Mlp, arch::Norm,
    arch::Position, arch::ReadOut;
using nn::Variant;

struct Tolerance {
  Precision precision;
  double value;
};
// As those of agreement_test.cpp.
constexpr Tolerance kTolerances[] = {
    {Precision::kFp32, 2e-5}, {Precision::kBf16, 4e-2}, {Precision::kInt8, 8e-2}};

// AIM on a grid of 3x4 patches.
EncoderSpec aim(const nn::Edit& edit = {}) {
  return nn::small_spec([&](EncoderSpec& s) {
    s.class_token = arch::ClassToken::kNone;
    s.position = Position::kSinCosComputed;
    s.rotary = arch::Rotary::kNone;
    s.mask = Mask::kPrefixCausal;
    s.patch_norm = true;
    s.norm = Norm::kLayer;
    s.mlp = Mlp::kGelu;
    s.qkv_bias = s.proj_bias = false;
    s.read_out = ReadOut::kMean;
    if (edit) edit(s);
  });
}

void probe(EncoderSpec& s) {
  s.read_out = ReadOut::kAttention;
  s.head_norm = HeadNorm::kBatch;
  s.head_bias = false;
}

std::vector<Variant> variants() {
  return {
      {"mean", [](EncoderSpec&) {}},
      {"aimv2_learned",
       [](EncoderSpec& s) {
         s.position = Position::kLearned;
         s.norm = Norm::kRms;
         s.mlp = Mlp::kSwiglu;
         s.mask = Mask::kBidirectional;
       }},
      {"aimv2_computed",
       [](EncoderSpec& s) {
         s.norm = Norm::kRms;
         s.mlp = Mlp::kSwiglu;
       }},
      {"computed_with_class_token_in_front",
       [](EncoderSpec& s) {
         s.class_token = arch::ClassToken::kFront;
         s.read_out = ReadOut::kToken;
         s.patch_norm = false;
       }},
      {"computed_with_class_token_behind",
       [](EncoderSpec& s) {
         s.class_token = arch::ClassToken::kBack;
         s.read_out = ReadOut::kToken;
       }},
      {"reads_first_block", [](EncoderSpec& s) { s.read_blocks = {0}; }},
      {"reads_two_blocks_and_stops",
       [](EncoderSpec& s) {
         s.read_blocks = {1, 0};
       }},
      {"reads_first_and_last_block",
       [](EncoderSpec& s) {
         s.read_blocks = {0, 2};
       }},
      {"reads_blocks_with_class_token",
       [](EncoderSpec& s) {
         s.read_blocks = {0, 1};
         s.class_token = arch::ClassToken::kBack;
         s.mask = Mask::kCausal;
       }},
      {"probe", probe},
      {"probe_of_blocks",
       [](EncoderSpec& s) {
         probe(s);
         s.read_blocks = {0, 1};
       }},
      {"probe_of_many_queries",
       [](EncoderSpec& s) {
         probe(s);
         s.pool_queries = 5;
         s.pool_bias = true;
         s.head_bias = true;
       }},
      {"pool_without_norm_and_head",
       [](EncoderSpec& s) {
         s.read_out = ReadOut::kAttention;
         s.num_classes = 0;
         s.pool_queries = 2;
       }},
      {"lit_image_tower",
       [](EncoderSpec& s) {
         s.read_out = ReadOut::kAttention;
         s.num_classes = s.dim;
         s.projection = 7;
         s.norm = Norm::kRms;
         s.mlp = Mlp::kSwiglu;
       }},
      {"pool_with_late_token",
       [](EncoderSpec& s) {
         s.read_out = ReadOut::kAttention;
         s.class_token = arch::ClassToken::kLate;
       }},
      {"pool_of_odd_width",
       [](EncoderSpec& s) {
         probe(s);
         s.position = Position::kLearned;
         s.dim = 30;
         s.heads = 6;
         s.mlp_hidden = 37;
       }},
      {"mean_projected",
       [](EncoderSpec& s) {
         s.num_classes = 0;
         s.projection = 9;
       }},
      {"lora",
       [](EncoderSpec& s) {
         s.lora_rank = 2;
         s.lora_alpha = 3.0;
       }},
      {"lora_with_biases_and_probe",
       [](EncoderSpec& s) {
         probe(s);
         s.qkv_bias = s.proj_bias = true;
         s.lora_rank = 4;
         s.read_blocks = {0, 1};
       }},
      {"text",
       [](EncoderSpec& s) {
         s.input = arch::Input::kTokens;
         s.vocabulary = 23;
         s.end_token = 22;
         s.height = s.patch = s.channels = 1;
         s.width = 11;
         s.position = Position::kLearned;
         s.patch_norm = false;
         s.mask = Mask::kCausal;
         s.norm = Norm::kRms;
         s.mlp = Mlp::kSwiglu;
         s.read_out = ReadOut::kEnd;
         s.num_classes = 0;
         s.projection = 6;
       }},
      {"text_mean",
       [](EncoderSpec& s) {
         s.input = arch::Input::kTokens;
         s.vocabulary = 23;
         s.end_token = 22;
         s.height = s.patch = s.channels = 1;
         s.width = 11;
         s.position = Position::kNone;
         s.rotary = arch::Rotary::kLine;
         s.patch_norm = false;
         s.mask = Mask::kBidirectional;
       }},
  };
}

class AimAgreementTest : public ::testing::TestWithParam<Variant> {};
INSTANTIATE_TEST_SUITE_P(Specs, AimAgreementTest, ::testing::ValuesIn(variants()),
                         [](const auto& test) { return test.param.name; });

TEST_P(AimAgreementTest, AllPrecisions) {
  const EncoderSpec spec = aim(GetParam().edit);
  for (const kernels::Isa isa : kernels::available_isas()) {
    for (const Tolerance& tolerance : kTolerances) {
      SCOPED_TRACE(::testing::Message()
                   << kernels::isa_name(isa) << " " << enum_name(tolerance.precision));
      expect_agreement(spec, {.precision = tolerance.precision, .isa = isa}, tolerance.value);
    }
  }
}

at::Tensor prefixes(std::vector<std::int64_t> lengths) {
  const Shape shape{std::ssize(lengths)};
  return nn::to_torch(
      HostTensor::of<std::int64_t>(DType::kI64, shape, std::span<const std::int64_t>(lengths)));
}

TEST(PrefixAgreementTest, EveryLength) {
  for (const arch::ClassToken token : {arch::ClassToken::kNone, arch::ClassToken::kBack}) {
    const EncoderSpec spec = aim([&](EncoderSpec& s) { s.class_token = token; });
    const std::int64_t N = spec.num_tokens();
    for (std::int64_t length = 0; length <= N; ++length) {
      // Neighbours of another length show a prefix that is taken from the wrong image.
      const at::Tensor prefix = prefixes({length, N - length, (length + 5) % (N + 1)});
      for (const Tolerance& tolerance : kTolerances) {
        SCOPED_TRACE(::testing::Message() << length << " " << enum_name(tolerance.precision));
        expect_agreement(spec, {.precision = tolerance.precision}, tolerance.value, prefix);
      }
    }
  }
}

TEST(PrefixAgreementTest, ReadsOneTokenBehindItsPrefix) {
  const EncoderSpec spec = aim([](EncoderSpec& s) {
    s.class_token = arch::ClassToken::kBack;
    s.read_out = ReadOut::kToken;
  });
  expect_agreement(spec, {.precision = Precision::kFp32}, 2e-5, prefixes({0, 3, 13}));
}

TEST(PrefixAgreementTest, QuantisationAwareBlocks) {
  const EncoderSpec spec = aim([](EncoderSpec& s) { s.quantization = arch::Quantization::kLsq; });
  expect_agreement(spec, {}, 2e-2, prefixes({0, 4, 12}));
}

TEST(ResizedAgreementTest, EqualsAnEncoderOfThatSize) {
  const at::NoGradGuard no_grad;
  const EncoderSpec spec = aim(probe);
  const nn::Encoder encoder = random_encoder(spec);
  for (const Tolerance& tolerance : kTolerances) {
    const Model model = Model::load(spec, weights_of(encoder), {.precision = tolerance.precision});
    for (const auto& [height, width] : {std::pair{20, 8}, std::pair{4, 4}, std::pair{12, 16}}) {
      EncoderSpec other = spec;
      other.height = height;
      other.width = width;
      other.resolve();
      nn::Encoder expected(other);
      for (std::size_t i = 0; i < encoder.parameters().size(); ++i) {
        at::Tensor target = expected.parameters().tensors()[i];
        target.copy_(encoder.parameters().tensors()[i]);
      }
      const at::Tensor images = nn::images_of(other);
      const NativeResult found = run_native(model.resized(height, width), images, Layers::kSkipped);
      EXPECT_LT(difference(found.logits, expected.forward(images, {}).logits), tolerance.value)
          << height << "x" << width;
    }
  }
}

struct DecoderCase {
  std::string name;
  Mixer mixer;
  std::int64_t depth;
  std::int64_t outputs = 0;
  Mlp mlp = Mlp::kGelu;
};

class DecoderAgreementTest : public ::testing::TestWithParam<DecoderCase> {};
INSTANTIATE_TEST_SUITE_P(Decoders, DecoderAgreementTest,
                         ::testing::Values(DecoderCase{"identity", Mixer::kIdentity, 2},
                                           DecoderCase{"none", Mixer::kNone, 2},
                                           DecoderCase{"attention", Mixer::kAttention, 2},
                                           DecoderCase{"attention_swiglu", Mixer::kAttention, 1, 0,
                                                       Mlp::kSwiglu},
                                           DecoderCase{"codes", Mixer::kIdentity, 1, 70},
                                           DecoderCase{"depth_0", Mixer::kIdentity, 0}),
                         [](const auto& test) { return test.param.name; });

TEST_P(DecoderAgreementTest, PredictsTheSamePatches) {
  const at::NoGradGuard no_grad;
  const EncoderSpec spec = aim([](EncoderSpec& s) {
    s.num_classes = 0;
    s.decoder = arch::Decoder::kNextPatch;
    s.decoder_mixer = GetParam().mixer;
    s.decoder_depth = GetParam().depth;
    s.decoder_outputs = GetParam().outputs;
    s.mlp = GetParam().mlp;
    s.mlp_multiple_of = 8;
    s.decoder_dim = 36;  // wider than the encoder
    s.decoder_heads = 2;
    s.read_blocks = {0};  // for features; the decoder reads all blocks
  });
  const at::Tensor images = nn::images_of(spec);
  nn::Encoder encoder = random_encoder(spec);
  const MemorySource weights = weights_of(encoder);
  const nn::ForwardResult plain = encoder.forward(images, {});
  const nn::Autoregressor autoregressor(std::move(encoder));
  for (const at::Tensor& prefix : {at::Tensor(), prefixes({1, 7, 12}), prefixes({0, 0, 0})}) {
    nn::ForwardOptions options;
    options.prefix = prefix;
    const at::Tensor expected = autoregressor.predict(images, {}, options).patches;
    for (const Tolerance& tolerance : kTolerances) {
      SCOPED_TRACE(enum_name(tolerance.precision));
      const Model model =
          Model::load(spec, weights, {.precision = tolerance.precision, .decoder = true});
      Session session(model, {.threads = 2, .max_batch = 2});
      std::vector<std::int64_t> lengths;
      if (prefix.defined()) {
        lengths.assign(prefix.data_ptr<std::int64_t>(), prefix.data_ptr<std::int64_t>() + 3);
      }
      std::vector<float> found(static_cast<std::size_t>(expected.numel()));
      session.predict_patches(nn::floats(images), 3, lengths, found);
      EXPECT_LT(difference(found, expected), tolerance.value);
      const NativeResult features = run_native(model, images, Layers::kSkipped);
      EXPECT_LT(difference(features.features, plain.features), tolerance.value) << "features";
    }
  }
}

}  // namespace
}  // namespace conopa::engine
