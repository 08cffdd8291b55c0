// Language blocks inside an encoder.

#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>

#include "conopa/core/error.h"
#include "conopa/nn/language_block.h"
#include "tests/nn/language_variants.h"

namespace conopa::nn {
namespace {

class LanguageTest : public ::testing::TestWithParam<Variant> {};
INSTANTIATE_TEST_SUITE_P(Specs, LanguageTest, ::testing::ValuesIn(language_variants()),
                         [](const auto& test) { return test.param.name; });

TEST_P(LanguageTest, FusedEqualsStock) { expect_fused_equals_stock(small_spec(GetParam().edit)); }

TEST_P(LanguageTest, CheckpointingChangesNothing) {
  expect_checkpointing_changes_nothing(small_spec(GetParam().edit));
}

TEST_P(LanguageTest, ShortFormEqualsPlainForm) {
  const Capture capture = expect_capture_changes_nothing(small_spec(GetParam().edit));
  for (const char* name : {"encoder_out", "llm_mapper1", "llm_norm", "llm_mapper2"}) {
    EXPECT_TRUE(capture.contains(name)) << name;
  }
}

TEST_P(LanguageTest, ShortFormHasTheGradientsOfThePlainForm) {
  const arch::EncoderSpec spec = small_spec(GetParam().edit);
  ForwardOptions options;
  options.training = true;
  const auto brief = gradients(spec, options);
  Capture capture;
  options.capture = &capture;
  expect_equal(gradients(spec, options), brief, 2e-4);
}

TEST_P(LanguageTest, FrozenTensorsTakeNoGradient) {
  const arch::EncoderSpec spec = small_spec(GetParam().edit);
  Encoder encoder(spec);
  randomise(encoder);
  encoder.forward(images_of(spec), {}).logits.sum().backward();
  const auto& entries = encoder.parameters().table().entries();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    EXPECT_EQ(encoder.parameters().tensors()[i].grad().defined(), entries[i].trainable)
        << entries[i].name;
    EXPECT_TRUE(entries[i].trainable || entries[i].frozen) << entries[i].name;
  }
}

TEST(LanguageStorageTest, FewerBitsStayCloseAndTakeLessMemory) {
  const arch::EncoderSpec spec = small_spec(make_language_host);
  Encoder encoder(spec);
  randomise(encoder);
  const at::Tensor exact = encoder.forward(images_of(spec), {}).logits;
  const auto stored = encoder.parameters().to_host();
  for (const auto& [storage, tolerance] :
       {std::pair{FrozenStorage::kBf16, 2e-2}, std::pair{FrozenStorage::kInt8, 3e-2}}) {
    encoder.parameters().store_frozen(storage);
    const at::Tensor& kept = encoder.parameters().require("llm.layers.0.mlp.up.weight");
    EXPECT_EQ(kept.element_size(), storage == FrozenStorage::kBf16 ? 2U : 1U);
    const double error = difference(encoder.forward(images_of(spec), {}).logits, exact);
    EXPECT_GT(error, 0.0);
    EXPECT_LT(error, tolerance);
    const auto source = [&stored](const std::string& name) {
      return std::optional(stored.at(name));
    };
    encoder.parameters().load(source, LoadPolicy::kStrict, "test");
  }
  encoder.parameters().store_frozen(FrozenStorage::kFp32);
  EXPECT_EQ(encoder.parameters().require("llm.layers.0.mlp.up.weight").element_size(), 4U);
}

TEST(LanguageStorageTest, LoadingWhatWasTrainedLeavesTheFrozenTensors) {
  const arch::EncoderSpec spec = small_spec(make_language_host);
  Encoder encoder(spec);
  randomise(encoder);
  auto stored = encoder.parameters().to_host();
  std::erase_if(stored, [](const auto& item) { return item.first.starts_with("llm.layers."); });
  const auto source = [&stored](const std::string& name) -> std::optional<HostTensor> {
    const auto it = stored.find(name);
    if (it == stored.end()) return std::nullopt;
    return it->second;
  };
  const at::Tensor before = encoder.parameters().require("llm.layers.0.mlp.up.weight").clone();
  EXPECT_NO_THROW(encoder.parameters().load(source, LoadPolicy::kTrained, "test"));
  EXPECT_TRUE(before.equal(encoder.parameters().require("llm.layers.0.mlp.up.weight")));
  EXPECT_THROW(encoder.parameters().load(source, LoadPolicy::kStrict, "test"), FormatError);
  stored.erase("llm.mapper1.weight");
  EXPECT_THROW(encoder.parameters().load(source, LoadPolicy::kTrained, "test"), FormatError);
}

// What padded tokens hold must not matter, in the short form neither.
TEST(LanguageMaskTest, PaddedKeysAreNotSeen) {
  const arch::EncoderSpec spec = small_spec(make_language_host);
  Encoder encoder(spec);
  randomise(encoder);
  at::Tensor keys = at::zeros({2, 6}, at::kBool);
  keys.slice(1, 0, 4).fill_(true);
  ForwardOptions options;
  options.keys_seen = keys;
  const at::Tensor z = random_tensor({2, 6, spec.dim}, 3);
  at::Tensor noise = z.clone();
  noise.slice(1, 4, 6) += random_tensor({2, 2, spec.dim}, 4);
  const auto valid = [&](const at::Tensor& tokens) {
    return language_block(spec, encoder.parameters(), tokens, options).slice(1, 0, 4);
  };
  EXPECT_LT(difference(valid(noise), valid(z)), 1e-6);
  options.keys_seen = at::Tensor();
  const at::Tensor cut = language_block(spec, encoder.parameters(), z.slice(1, 0, 4), options);
  options.keys_seen = keys;
  EXPECT_LT(difference(valid(z), cut), 1e-5);
}

TEST(LanguageMaskTest, ShortFormSeesTheSameKeys) {
  const arch::EncoderSpec spec = small_spec(make_language_host);
  Encoder encoder(spec);
  randomise(encoder);
  at::Tensor keys = at::zeros({3, spec.num_tokens()}, at::kBool);
  keys.slice(1, 0, 7).fill_(true);
  ForwardOptions options;
  options.keys_seen = keys;
  const at::Tensor brief = encoder.forward(images_of(spec), options).logits;
  Capture capture;
  options.capture = &capture;
  EXPECT_LT(difference(encoder.forward(images_of(spec), options).logits, brief), 1e-5);
  options.keys_seen = at::Tensor();
  EXPECT_GT(difference(encoder.forward(images_of(spec), options).logits, brief), 1e-4);
}

TEST(LanguageMaskTest, RefusesOtherShapesAndSamplesWithoutKeys) {
  const arch::EncoderSpec spec = small_spec(make_language_host);
  Encoder encoder(spec);
  randomise(encoder);
  ForwardOptions options;
  options.keys_seen = at::zeros({3, spec.num_tokens()}, at::kBool);
  EXPECT_THROW(static_cast<void>(encoder.forward(images_of(spec), options)), ShapeError);
  options.keys_seen = at::zeros({3, 2}, at::kBool).fill_(true);
  EXPECT_THROW(static_cast<void>(encoder.forward(images_of(spec), options)), ShapeError);
}

}  // namespace
}  // namespace conopa::nn
