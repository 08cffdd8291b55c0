#include "conopa/train/language_model.h"

#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string_view>

#include "conopa/arch/registry.h"
#include "conopa/core/error.h"
#include "conopa/core/rng.h"
#include "conopa/llm/source.h"
#include "conopa/llm/write.h"
#include "conopa/nn/convert.h"
#include "tests/train/toy.h"

namespace conopa::train {
namespace {

arch::EncoderSpec tiny_lm() {
  arch::EncoderSpec spec = arch::preset_spec("lm_tiny");
  spec.vocabulary = spec.num_classes = 8;
  spec.end_token = 0;
  spec.width = 12;
  spec.dim = 32;
  spec.depth = 2;
  spec.heads = 2;
  spec.mlp_hidden = 64;
  spec.resolve();
  return spec;
}

// 1 2 3 4 5 6 7 over and over, with a step of two now and then.
std::vector<std::int32_t> counting(std::int64_t length) {
  std::vector<std::int32_t> out;
  Rng rng(5, RngPurpose::kTest, 0, 0);
  std::int32_t value = 0;
  for (std::int64_t i = 0; i < length; ++i) {
    value = (value + (rng.bernoulli(0.1) ? 2 : 1)) % 7;
    out.push_back(value + 1);
  }
  return out;
}

LanguageModelOptions quick() {
  LanguageModelOptions options;
  options.steps = 120;
  options.batch = 8;
  options.warmup = 10;
  options.eval_every = 60;
  options.lr_peak = 1e-2;
  options.lr_final = 1e-3;
  options.precision = nn::Precision::kFp32;
  return options;
}

TEST(LanguageModelTest, LearnsACountAndGoesOnWithIt) {
  nn::Encoder model(tiny_lm());
  model.parameters().initialize(1);
  const auto points = train_language_model(model, counting(4000), quick(), {});
  ASSERT_EQ(points.size(), 2U);
  // The entropy of a step that is one or two: 0.325 nats; chance is log 8 = 2.08.
  EXPECT_LT(points.back().held_out_loss, 0.45);
  EXPECT_GT(points.back().held_out_loss, 0.2);
  EXPECT_THAT(continue_text(model, {3, 4}, 6, 0.0, 0),
              testing::ElementsAre(3, 4, 5, 6, 7, 1, 2, 3));
}

TEST(LanguageModelTest, SameSeedSameModel) {
  const auto trained = [](std::int64_t seed) {
    LanguageModelOptions options = quick();
    options.steps = 5;
    options.warmup = 1;
    options.seed = seed;
    nn::Encoder model(tiny_lm());
    model.parameters().initialize(1);
    static_cast<void>(train_language_model(model, counting(400), options, {}));
    return model.parameters().to_host().at("head.weight").to_f32();
  };
  EXPECT_EQ(trained(0), trained(0));
  EXPECT_NE(trained(0), trained(1));
}

TEST(LanguageModelTest, EveryTokenSeesThePastAlone) {
  nn::Encoder model(tiny_lm());
  model.parameters().initialize(1);
  const at::NoGradGuard no_grad;
  const auto encoded = [&](std::int64_t last) {
    std::vector<std::int64_t> ids{1, 2, 3, 4, 5, 6, 7, 1, 2, 3, 4, last};
    return model.encode(nn::to_torch(HostTensor::of<std::int64_t>(DType::kI64, {1, 12}, ids)), {});
  };
  const at::Tensor a = encoded(5);
  const at::Tensor b = encoded(6);
  EXPECT_TRUE(a.narrow(1, 0, 11).equal(b.narrow(1, 0, 11)));
  EXPECT_FALSE(a.equal(b));
}

// What train-lm writes is what a language block reads.
TEST(LanguageModelTest, WrittenLayersComeBackInBothForms) {
  const TestFolder folder;
  nn::Encoder model(tiny_lm());
  model.parameters().initialize(1);
  const llm::LmTensors tensors = model.parameters().to_host();
  const llm::LmConfig config = language_config(model.spec());
  llm::write_meta(folder / "meta", config, tensors);
  llm::write_hf(folder / "hf", config, tensors);
  for (const char* form : {"meta", "hf"}) {
    const llm::LmSource source = llm::LmSource::open(folder / form);
    EXPECT_EQ(source.config().layers, 2);
    EXPECT_EQ(source.config().heads, 2);
    const llm::LmTensors layer = source.layer(1);
    for (const char* name : {"attn.qkv.weight", "mlp.gate.weight", "norm2.weight"}) {
      EXPECT_EQ(layer.at(name).to_f32(), tensors.at(std::string("blocks.1.") + name).to_f32())
          << form << " " << name;
    }
  }
}

TEST(LanguageModelTest, RefusesShortTextsOtherModelsAndWrongSettings) {
  nn::Encoder model(tiny_lm());
  model.parameters().initialize(1);
  const auto run = [&](nn::Encoder& encoder, std::int64_t tokens, LanguageModelOptions options) {
    static_cast<void>(train_language_model(encoder, counting(tokens), options, {}));
  };
  EXPECT_THROW(run(model, 20, quick()), ConfigError);
  LanguageModelOptions wrong = quick();
  wrong.held_out = 0.9;
  EXPECT_THROW(run(model, 400, wrong), ConfigError);
  arch::EncoderSpec open = tiny_lm();
  open.mask = arch::Mask::kBidirectional;
  nn::Encoder sees_all(open);
  EXPECT_THROW(run(sees_all, 400, quick()), ConfigError);
}

}  // namespace
}  // namespace conopa::train
