#include "conopa/engine/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <thread>

#include "conopa/core/error.h"
#include "tests/arch/specs.h"
#include "tests/engine/allocation_count.h"
#include "tests/engine/random_model.h"

namespace conopa::engine {
namespace {

arch::EncoderSpec small_pyramid() {
  arch::EncoderSpec spec = arch::pyramid_spec();
  spec.num_classes = 7;
  spec.resolve();
  return spec;
}

Model small_model(const arch::EncoderSpec& spec = small_spec(), const ModelOptions& options = {}) {
  return Model::load(spec, MemorySource(random_weights(spec)), options);
}

std::vector<float> images_of(const arch::EncoderSpec& spec, std::int64_t batch) {
  return random_values(batch * spec.channels * spec.height * spec.width, 1000, 1.0);
}

std::vector<float> logits_of(Session& session, std::int64_t batch) {
  const arch::EncoderSpec& spec = session.model().spec();
  std::vector<float> logits(static_cast<std::size_t>(batch * spec.num_classes));
  session.run(images_of(spec, batch), batch, {.logits = logits});
  return logits;
}

class SessionTest : public ::testing::TestWithParam<Precision> {
 protected:
  static ModelOptions options() { return {.precision = GetParam()}; }
};
INSTANTIATE_TEST_SUITE_P(Precisions, SessionTest,
                         ::testing::Values(Precision::kFp32, Precision::kBf16, Precision::kInt8),
                         [](const auto& test) { return std::string(enum_name(test.param)); });

TEST_P(SessionTest, AnImageDoesNotDependOnItsBatchOrTheThreads) {
  for (const arch::EncoderSpec& spec : {small_spec(), small_pyramid()}) {
    const Model model = small_model(spec, options());
    Session whole(model, {.threads = 1, .max_batch = 5});
    const std::vector<float> expected = logits_of(whole, 5);
    for (const std::int64_t max_batch : {1, 2, 3, 8}) {
      for (const int threads : {1, 2, 5}) {
        Session session(model, {.threads = threads, .max_batch = max_batch});
        EXPECT_EQ(logits_of(session, 5), expected) << max_batch << " at a time, " << threads;
      }
    }
  }
}

TEST_P(SessionTest, AllocatesNothingAfterWarmUp) {
  for (const arch::EncoderSpec& spec : {small_spec(), small_pyramid()}) {
    Session session(small_model(spec, options()), {.threads = 2, .max_batch = 2});
    const std::vector<float> images = images_of(spec, 5);
    std::vector<float> logits(static_cast<std::size_t>(5 * spec.num_classes));
    std::vector<float> features(static_cast<std::size_t>(5 * spec.dim));
    const auto run = [&] { session.run(images, 5, {.logits = logits, .features = features}); };
    run();
    const std::int64_t before = allocation_count();
    for (int i = 0; i < 3; ++i) run();
    EXPECT_EQ(allocation_count(), before);
  }
}

TEST_P(SessionTest, ConcurrentSessionsOfOneModelAgree) {
  const Model model = small_model(small_spec(), options());
  Session single(model, {.threads = 1, .max_batch = 2});
  const std::vector<float> expected = logits_of(single, 3);
  std::vector<std::jthread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&model, &expected] {
      Session session(model, {.threads = 2, .max_batch = 2});
      for (int round = 0; round < 5; ++round) EXPECT_EQ(logits_of(session, 3), expected);
    });
  }
}

TEST(SessionRunTest, ZeroImagesAreFine) {
  Session session(small_model());
  session.run({}, 0, {});
  EXPECT_GT(session.arena_bytes(), 0);
  EXPECT_GT(session.model().weight_bytes(), 0);
}

TEST(SessionRunTest, RefusesWrongSizes) {
  Session session(small_model());
  std::vector<float> images = images_of(session.model().spec(), 2);
  std::vector<float> logits(14);
  images.pop_back();
  EXPECT_THROW(session.run(images, 2, {.logits = logits}), ShapeError);
  images.push_back(0.0F);
  logits.pop_back();
  EXPECT_THROW(session.run(images, 2, {.logits = logits}), ShapeError);
  EXPECT_THROW(Session(small_model(), {.threads = -1}), ConfigError);
  EXPECT_THROW(Session(small_model(), {.max_batch = 0}), ConfigError);
}

TEST(SessionRunTest, ShowsTheLayersInOrder) {
  Session session(small_model(), {.threads = 1, .max_batch = 2});
  std::vector<std::string> names;
  std::vector<float> logits(21);
  session.run(images_of(session.model().spec(), 3), 3, {.logits = logits},
              [&names](const LayerRows& rows) {
                names.push_back(std::string(rows.name) + "@" + std::to_string(rows.first_image));
                EXPECT_EQ(rows.width, 32);
                EXPECT_EQ(rows.tokens, 7);
              });
  EXPECT_THAT(
      names, ::testing::ElementsAre("tokens_in@0", "block0_out@0", "block1_out@0", "final_norm@0",
                                    "tokens_in@2", "block0_out@2", "block1_out@2", "final_norm@2"));
}

TEST(SessionRunTest, ShowsWhatTheModelAnnounces) {
  for (const arch::EncoderSpec& spec : {small_spec(), small_pyramid()}) {
    Session session(small_model(spec), {.threads = 1, .max_batch = 2});
    std::vector<std::string> shown;
    std::vector<std::string> announced;
    const auto text = [](std::string_view name, std::int64_t tokens, std::int64_t width) {
      return std::string(name) + " " + std::to_string(tokens) + "x" + std::to_string(width);
    };
    session.run(images_of(spec, 1), 1, {}, [&](const LayerRows& rows) {
      shown.push_back(text(rows.name, rows.tokens, rows.width));
    });
    for (const LayerInfo& layer : session.model().layers()) {
      announced.push_back(text(layer.name, layer.tokens, layer.width));
    }
    EXPECT_EQ(shown, announced);
  }
}

TEST(ModelLoadTest, RunsAtAnotherResolution) {
  const Model model = small_model(small_spec(), {.height = 40, .width = 32});
  EXPECT_EQ(model.spec().num_patches(), 20);
  Session session(model);
  for (const float value : logits_of(session, 2)) EXPECT_TRUE(std::isfinite(value));
}

TEST(ModelLoadTest, NamesWhatIsWrongWithTheWeights) {
  const arch::EncoderSpec spec = small_spec();
  const auto message = [&spec](auto&& edit) {
    std::vector<NamedTensor> tensors = random_weights(spec);
    edit(tensors);
    try {
      static_cast<void>(Model::load(spec, MemorySource(tensors, {}, "weights")));
    } catch (const FormatError& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  const auto named = [](std::vector<NamedTensor>& tensors, std::string_view name) {
    return std::ranges::find(tensors, name, &NamedTensor::name);
  };
  EXPECT_THAT(message([&](auto& t) { t.erase(named(t, "blocks.1.attn.proj.weight")); }),
              ::testing::HasSubstr("blocks.1.attn.proj.weight of shape [32, 32]"));
  EXPECT_THAT(message([&](auto& t) {
                auto& proj = named(t, "blocks.0.attn.proj.weight")->tensor;
                proj = proj.reshaped({16, 64});
              }),
              ::testing::HasSubstr("found [16, 64]"));
  EXPECT_THAT(message([&](auto& t) {
                named(t, "blocks.0.mlp.down.weight")->tensor.template mutable_data<float>()[3] =
                    std::numeric_limits<float>::quiet_NaN();
              }),
              ::testing::HasSubstr("NaN"));
}

TEST(ModelLoadTest, QuantisationAwareModelsHaveOnePrecision) {
  arch::EncoderSpec spec = small_spec();
  spec.quantization = arch::Quantization::kLsq;
  spec.resolve();
  EXPECT_EQ(small_model(spec).precision(), Precision::kFp32);
  EXPECT_THROW(static_cast<void>(small_model(spec, {.precision = Precision::kInt8})),
               UnsupportedError);
}

TEST(ModelLoadTest, ExplainsItsKernels) {
  const std::vector<std::string> lines = small_model().explain(2);
  EXPECT_THAT(lines, ::testing::Contains(::testing::HasSubstr("qkv 14x96x32")));
  EXPECT_THAT(lines, ::testing::Contains(::testing::HasSubstr("attention: ")));
}

}  // namespace
}  // namespace conopa::engine
