// Sessions of AIM's models: what is loaded, what is refused, and that results do not depend on
// batch, threads or the way to a size. Values are compared with libtorch in aim_agreement_test.cpp.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "conopa/core/error.h"
#include "conopa/core/quant_matrix.h"
#include "conopa/engine/quantise.h"
#include "conopa/engine/session.h"
#include "conopa/io/quantised.h"
#include "tests/core/thrown.h"
#include "tests/engine/allocation_count.h"
#include "tests/engine/random_model.h"

namespace conopa::engine {
namespace {

using arch::EncoderSpec;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;

using Edit = std::function<void(EncoderSpec&)>;

// A probed AIM on 3x2 patches.
EncoderSpec aim(const Edit& edit = {}) {
  EncoderSpec spec = small_spec();
  spec.depth = 4;
  spec.class_token = arch::ClassToken::kNone;
  spec.position = arch::Position::kSinCosComputed;
  spec.rotary = arch::Rotary::kNone;
  spec.mask = arch::Mask::kPrefixCausal;
  spec.patch_norm = true;
  spec.read_out = arch::ReadOut::kAttention;
  spec.head_bias = false;
  spec.pool_queries = 2;
  spec.read_blocks = {0, 2};
  if (edit) edit(spec);
  spec.resolve();
  return spec;
}

EncoderSpec text() {
  return aim([](EncoderSpec& s) {
    s.input = arch::Input::kTokens;
    s.vocabulary = 30;
    s.end_token = 29;
    s.height = s.patch = s.channels = 1;
    s.width = 5;
    s.position = arch::Position::kLearned;
    s.patch_norm = false;
    s.mask = arch::Mask::kCausal;
    s.read_out = arch::ReadOut::kEnd;
    s.read_blocks = {};
    s.num_classes = 0;
    s.projection = 6;
  });
}

EncoderSpec pretrained() {
  return aim([](EncoderSpec& s) {
    s.read_out = arch::ReadOut::kMean;
    s.num_classes = 0;
    s.decoder = arch::Decoder::kNextPatch;
    s.decoder_mixer = arch::Mixer::kAttention;
    s.decoder_dim = 40;
    s.decoder_heads = 2;
    s.decoder_depth = 2;
  });
}

Model model_of(const EncoderSpec& spec, const ModelOptions& options = {}) {
  return Model::load(spec, MemorySource(random_weights(spec)), options);
}

std::vector<float> images_of(const EncoderSpec& spec, std::int64_t batch) {
  return random_values(batch * spec.channels * spec.height * spec.width, 1000, 1.0);
}

std::vector<float> sized(std::int64_t count) {
  return std::vector<float>(static_cast<std::size_t>(count));
}

constexpr std::int64_t kBatch = 5;
const std::vector<std::int64_t> kPrefix{0, 1, 6, 3, 2};
const std::vector<std::int64_t> kTokens{1, 2,  29, 0, 0, 3, 29, 29, 29, 29, 5,  6, 7,
                                        8, 29, 29, 1, 1, 1, 1,  9,  29, 4,  29, 2};

std::vector<float> logits_of(Session& session) {
  const EncoderSpec& spec = session.model().spec();
  std::vector<float> out = sized(kBatch * spec.outputs());
  if (spec.input == arch::Input::kTokens) {
    session.run_tokens(kTokens, kBatch, {.logits = out});
  } else {
    session.run(images_of(spec, kBatch), kBatch, {.logits = out}, RunOptions{.prefix = kPrefix});
  }
  return out;
}

std::vector<float> patches_of(Session& session) {
  const EncoderSpec& spec = session.model().spec();
  std::vector<float> out = sized(kBatch * spec.num_patches() * spec.patch_outputs());
  session.predict_patches(images_of(spec, kBatch), kBatch, kPrefix, out);
  return out;
}

class AimSessionTest : public ::testing::TestWithParam<Precision> {};
INSTANTIATE_TEST_SUITE_P(Precisions, AimSessionTest,
                         ::testing::Values(Precision::kFp32, Precision::kBf16, Precision::kInt8),
                         [](const auto& test) { return std::string(enum_name(test.param)); });

TEST_P(AimSessionTest, AnImageDoesNotDependOnItsBatchOrTheThreads) {
  const Model decoding = model_of(pretrained(), {.precision = GetParam(), .decoder = true});
  Session whole_decoder(decoding, {.threads = 1, .max_batch = kBatch});
  const std::vector<float> patches = patches_of(whole_decoder);
  for (const EncoderSpec& spec : {aim(), text()}) {
    const Model model = model_of(spec, {.precision = GetParam()});
    Session whole(model, {.threads = 1, .max_batch = kBatch});
    const std::vector<float> expected = logits_of(whole);
    for (const std::int64_t max_batch : {1, 2, 8}) {
      for (const int threads : {1, 3}) {
        const SessionOptions options{.threads = threads, .max_batch = max_batch};
        Session session(model, options);
        EXPECT_EQ(logits_of(session), expected) << max_batch << " at a time, " << threads;
        Session decoder(decoding, options);
        EXPECT_EQ(patches_of(decoder), patches) << max_batch << " at a time, " << threads;
      }
    }
  }
}

TEST_P(AimSessionTest, AllocatesNothingAfterWarmUp) {
  const EncoderSpec spec = pretrained();
  Session decoder(model_of(spec, {.precision = GetParam(), .decoder = true}),
                  {.threads = 2, .max_batch = 2});
  Session probe(model_of(aim(), {.precision = GetParam()}), {.threads = 2, .max_batch = 2});
  Session words(model_of(text(), {.precision = GetParam()}), {.threads = 2, .max_batch = 2});
  const std::vector<float> images = images_of(spec, kBatch);
  std::vector<float> patches = sized(kBatch * spec.num_patches() * spec.patch_outputs());
  std::vector<float> logits = sized(kBatch * 7);
  std::vector<float> projected = sized(kBatch * 6);
  const auto run = [&] {
    decoder.predict_patches(images, kBatch, kPrefix, patches);
    probe.run(images, kBatch, {.logits = logits}, RunOptions{.prefix = kPrefix});
    words.run_tokens(kTokens, kBatch, {.logits = projected});
  };
  run();
  const std::int64_t before = allocation_count();
  for (int i = 0; i < 3; ++i) run();
  EXPECT_EQ(allocation_count(), before);
}

TEST_P(AimSessionTest, ResizedEqualsLoadingAtThatSize) {
  for (const arch::Position position :
       {arch::Position::kLearned, arch::Position::kSinCos, arch::Position::kSinCosComputed}) {
    const EncoderSpec spec = aim([&](EncoderSpec& s) { s.position = position; });
    const Model model = model_of(spec, {.precision = GetParam()});
    for (const auto& [height, width] : {std::pair{40, 8}, std::pair{16, 48}, std::pair{24, 16}}) {
      const Model loaded =
          model_of(spec, {.precision = GetParam(), .height = height, .width = width});
      EncoderSpec other = spec;
      other.height = height;
      other.width = width;
      const std::vector<float> images = images_of(other, kBatch);
      std::vector<float> expected = sized(kBatch * 7);
      std::vector<float> found = expected;
      Session(loaded).run(images, kBatch, {.logits = expected});
      Session(model.resized(40, 40).resized(height, width)).run(images, kBatch, {.logits = found});
      EXPECT_EQ(found, expected) << enum_name(position) << " " << height << "x" << width;
    }
  }
}

TEST_P(AimSessionTest, PrefixOfAllTokensIsNoMask) {
  const EncoderSpec spec = aim();
  Session session(model_of(spec, {.precision = GetParam()}));
  const std::vector<float> images = images_of(spec, 2);
  std::vector<float> open = sized(14);
  std::vector<float> prefixed = open;
  std::vector<float> causal = open;
  session.run(images, 2, {.logits = open});
  session.run(images, 2, {.logits = prefixed},
              RunOptions{.prefix = std::vector<std::int64_t>{6, 6}});
  session.run(images, 2, {.logits = causal}, RunOptions{.prefix = std::vector<std::int64_t>{0, 0}});
  // A tile of queries under a mask is of another size, so that sums run in another order.
  for (std::size_t i = 0; i < open.size(); ++i) EXPECT_NEAR(prefixed[i], open[i], 5e-2);
  EXPECT_NE(causal, open);
}

// The weights that a file holds quantised, and what they stand for in float.
TEST(AimQuantisedTest, StoredFormsRunAsTheirFloats) {
  const EncoderSpec spec = aim();
  for (const QuantForm form : {QuantForm::kQ8_0, QuantForm::kQ4_0, QuantForm::kInt8}) {
    const std::unique_ptr<TensorSource> stored = with_quantised(std::make_unique<MemorySource>(
        quantise_weights(spec, MemorySource(random_weights(spec)), {.form = form}),
        Metadata{{"weight_format", std::string(enum_name(form))}}));
    std::vector<NamedTensor> floats;
    for (const std::string& name : stored->names()) {
      const HostTensor value = stored->read(name);
      const std::vector<float> values = value.to_f32();
      floats.push_back({name, HostTensor::of<float>(DType::kF32, value.shape(), values)});
    }
    const ModelOptions options{.precision = Precision::kFp32};
    Session expected(Model::load(spec, MemorySource(floats), options));
    Session found(Model::load(spec, *stored, options));
    const std::vector<float> a = logits_of(expected);
    const std::vector<float> b = logits_of(found);
    for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(b[i], a[i], 1e-3) << enum_name(form);
  }
}

TEST(AimLoadTest, NeverReadsWhatStandsBehindTheLastBlockRead) {
  const EncoderSpec spec = aim();
  std::vector<NamedTensor> tensors = random_weights(spec);
  std::erase_if(tensors, [](const NamedTensor& t) {
    return t.name.starts_with("blocks.3.") || t.name.starts_with("norm.");
  });
  ASSERT_LT(tensors.size(), random_weights(spec).size());
  const Model model = Model::load(spec, MemorySource(tensors));
  std::vector<std::string> names;
  for (const LayerInfo& layer : model.layers()) names.push_back(layer.name);
  EXPECT_THAT(names,
              ElementsAre("tokens_in", "block0_out", "block1_out", "block2_out", "read_tokens"));
  std::vector<std::string> shown;
  std::vector<float> features = sized(32);
  Session(model).run(images_of(spec, 1), 1, {.features = features},
                     [&shown](const LayerRows& rows) { shown.emplace_back(rows.name); });
  EXPECT_EQ(shown, names);
}

TEST(AimLoadTest, ReadsTheDecoderWhenAskedTo) {
  const EncoderSpec spec = pretrained();
  std::vector<NamedTensor> tensors = random_weights(spec);
  std::erase_if(tensors, [](const NamedTensor& t) { return t.name.starts_with("decoder."); });
  EXPECT_NO_THROW((void)Model::load(spec, MemorySource(tensors)));
  EXPECT_THROW((void)Model::load(spec, MemorySource(tensors), {.decoder = true}), FormatError);
  EXPECT_THROW((void)model_of(aim(), {.decoder = true}), ConfigError);
  EncoderSpec caption = pretrained();
  caption.decoder = arch::Decoder::kCaption;
  caption.decoder_vocabulary = 9;
  caption.decoder_context = 4;
  caption.resolve();
  EXPECT_THAT(message_of<UnsupportedError>([&] { (void)model_of(caption, {.decoder = true}); }),
              HasSubstr("found caption"));
  Session without(model_of(spec));
  EXPECT_THAT(message_of<ConfigError>([&] { (void)patches_of(without); }),
              HasSubstr("loaded with its decoder"));
}

TEST(AimLoadTest, RefusesLoraOnQuantisedWeights) {
  const EncoderSpec base = aim();
  const EncoderSpec spec = aim([](EncoderSpec& s) { s.lora_rank = 2; });
  std::vector<NamedTensor> tensors =
      quantise_weights(base, MemorySource(random_weights(base)), {.form = QuantForm::kQ8_0});
  for (const NamedTensor& tensor : random_weights(spec)) {
    if (tensor.name.find(".lora_") != std::string::npos) tensors.push_back(tensor);
  }
  const std::unique_ptr<TensorSource> stored =
      with_quantised(std::make_unique<MemorySource>(tensors, Metadata{{"weight_format", "q8_0"}}));
  EXPECT_THAT(message_of<UnsupportedError>([&] { (void)Model::load(spec, *stored); }),
              HasSubstr("LoRA"));
  EXPECT_THAT(message_of<UnsupportedError>(
                  [&] { (void)quantise_weights(spec, MemorySource(random_weights(spec)), {}); }),
              HasSubstr("LoRA"));
}

HostTensor as_type(const HostTensor& tensor, DType type) {
  HostTensor out = HostTensor::zeros(type, tensor.shape());
  const std::vector<float> values = tensor.to_f32();
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (type == DType::kF64) {
      out.mutable_data<double>()[i] = static_cast<double>(values[i]);
    } else {
      out.mutable_data<std::uint16_t>()[i] =
          type == DType::kF16 ? float_to_half(values[i]) : float_to_bf16(values[i]);
    }
  }
  return out;
}

TEST(AimLoadTest, ReadsTokenEmbeddingsOfEveryFloatType) {
  const EncoderSpec spec = text();
  for (const DType type : {DType::kF16, DType::kBF16, DType::kF64}) {
    std::vector<NamedTensor> stored = random_weights(spec);
    std::vector<NamedTensor> rounded = stored;
    for (std::size_t i = 0; i < stored.size(); ++i) {
      if (stored[i].name != "token_embed.weight") continue;
      stored[i].tensor = as_type(stored[i].tensor, type);
      const std::vector<float> values = stored[i].tensor.to_f32();
      rounded[i].tensor = HostTensor::of<float>(DType::kF32, stored[i].tensor.shape(), values);
    }
    Session a(Model::load(spec, MemorySource(stored)));
    Session b(Model::load(spec, MemorySource(rounded)));
    EXPECT_EQ(logits_of(a), logits_of(b)) << dtype_name(type);
  }
}

TEST(AimSessionErrorTest, RefusesPrefixesThatDoNotFit) {
  const EncoderSpec spec = aim();
  Session session(model_of(spec));
  std::vector<float> logits = sized(14);
  const auto run = [&](Session& which, const std::vector<std::int64_t>& prefix) {
    which.run(images_of(spec, 2), 2, {.logits = logits}, RunOptions{.prefix = prefix});
  };
  EXPECT_NO_THROW(run(session, {0, 6}));
  EXPECT_THAT(message_of<ShapeError>([&] {
                run(session, {1, 7});
              }),
              HasSubstr("0 to the 6 tokens of an image, got 7"));
  EXPECT_THROW(run(session, {-1, 2}), ShapeError);
  EXPECT_THROW(run(session, {1}), ShapeError);
  Session causal(model_of(aim([](EncoderSpec& s) { s.mask = arch::Mask::kCausal; })));
  EXPECT_THAT(message_of<ConfigError>([&] { run(causal, {1, 2}); }), HasSubstr("\"causal\""));
}

TEST(AimSessionErrorTest, RefusesWhatTheModelDoesNotRead) {
  Session words(model_of(text()));
  Session images(model_of(aim()));
  std::vector<float> projected = sized(6);
  const auto run = [&](const std::vector<std::int64_t>& tokens) {
    words.run_tokens(tokens, 1, {.logits = projected});
  };
  EXPECT_NO_THROW(run({1, 2, 29, 0, 0}));
  EXPECT_THAT(message_of<ShapeError>([&] { run({1, 2, 3, 4, 5}); }), HasSubstr("end token 29"));
  EXPECT_THAT(message_of<ShapeError>([&] { run({1, 30, 29, 4, 5}); }), HasSubstr("0..29, got 30"));
  EXPECT_THROW(run({-1, 29, 0, 0, 0}), ShapeError);
  EXPECT_THROW(run({1, 29}), ShapeError);
  EXPECT_THROW(words.run(sized(5), 1, {.logits = projected}), ConfigError);
  EXPECT_THROW(images.run_tokens(std::vector<std::int64_t>{1}, 1, {}), ConfigError);
  EXPECT_THROW((void)words.model().resized(1, 7), ConfigError);
  EXPECT_THROW((void)images.model().resized(24, 15), ConfigError);
  EXPECT_THROW((void)images.model().resized(0, 16), ConfigError);
}

TEST(AimExplainTest, NamesPoolProjectionAndDecoder) {
  EXPECT_THAT(model_of(aim()).explain(1), ::testing::Contains(HasSubstr("pool 6x4x32")));
  EXPECT_THAT(model_of(text()).explain(2), ::testing::Contains(HasSubstr("projection 2x6x32")));
  EXPECT_THAT(model_of(pretrained(), {.decoder = true}).explain(1),
              ::testing::Contains(HasSubstr("decoder pred 6x192x40")));
}

}  // namespace
}  // namespace conopa::engine
