#include "conopa/tasks/aim.h"

#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>

#include "conopa/core/error.h"
#include "conopa/data/memory_dataset.h"

namespace conopa::tasks {
namespace {

constexpr std::int64_t kSide = 8;

arch::EncoderSpec toy_spec(arch::Mask mask = arch::Mask::kPrefixCausal) {
  arch::EncoderSpec spec;
  spec.channels = 1;
  spec.height = spec.width = kSide;
  spec.patch = 2;
  spec.dim = 16;
  spec.depth = 1;
  spec.heads = 2;
  spec.mlp_multiple_of = 16;
  spec.num_classes = 0;
  spec.mask = mask;
  spec.class_token = arch::ClassToken::kNone;
  spec.position = arch::Position::kSinCosComputed;
  spec.rotary = arch::Rotary::kNone;
  spec.read_out = arch::ReadOut::kMean;
  spec.decoder = arch::Decoder::kNextPatch;
  spec.decoder_dim = 16;
  spec.decoder_depth = 1;
  spec.decoder_heads = 2;
  spec.resolve();
  return spec;
}

arch::EncoderSpec caption_spec() {
  arch::EncoderSpec spec = toy_spec();
  spec.decoder = arch::Decoder::kCaption;
  spec.decoder_vocabulary = 259;
  spec.decoder_context = 6;
  spec.resolve();
  return spec;
}

AimTask toy_task(const arch::EncoderSpec& spec, const AimOptions& options = {}) {
  nn::Encoder encoder(spec);
  encoder.parameters().initialize(1);
  return AimTask(std::move(encoder), options);
}

// Ramps of different slopes, and captions of different lengths if asked for.
class Toy final : public data::Dataset {
 public:
  Toy(std::int64_t count, bool captions) : images_(images(count)), captions_(captions) {}

  std::int64_t size() const noexcept override { return images_.size(); }
  data::Sample get(std::int64_t index) const override { return images_.get(index); }
  std::int64_t label(std::int64_t index) const override { return images_.label(index); }
  std::string name(std::int64_t index) const override { return images_.name(index); }
  bool has_captions() const noexcept override { return captions_; }
  std::string_view caption(std::int64_t index) const override {
    constexpr std::array<std::string_view, 3> kCaptions = {"ab", "", "longer than the context"};
    return captions_ ? kCaptions.at(static_cast<std::size_t>(index) % 3) : std::string_view();
  }
  const std::vector<std::string>& class_names() const noexcept override {
    return images_.class_names();
  }

 private:
  static data::MemoryImages images(std::int64_t count) {
    data::MemoryImages out{.name = "toy",
                           .height = kSide,
                           .width = kSide,
                           .channels = 1,
                           .pixels = {},
                           .labels = {},
                           .class_names = {"a"}};
    for (std::int64_t i = 0; i < count; ++i) {
      out.labels.push_back(0);
      for (std::int64_t p = 0; p < kSide * kSide; ++p) {
        out.pixels.push_back(static_cast<std::uint8_t>((p % kSide) * (i + 3) + (p / kSide) * 15));
      }
    }
    return out;
  }

  data::MemoryDataset images_;
  bool captions_;
};

std::unique_ptr<data::Loader> toy_loader(std::int64_t count, std::int64_t batch,
                                         bool captions = false) {
  image::EvalTransformOptions transform;
  transform.height = transform.width = kSide;
  transform.channels = 1;
  transform.mean = {0.5};
  transform.std = {0.25};
  transform.mode = image::EvalMode::kSquash;
  data::SamplerOptions order;
  order.order = data::SampleOrder::kSequential;
  order.tail = data::ShardTail::kUneven;
  data::LoaderOptions options;
  options.batch = batch;
  options.workers = 0;
  return std::make_unique<data::Loader>(std::make_shared<Toy>(count, captions),
                                        image::make_eval_transform(transform),
                                        data::Sampler(order, count), options);
}

data::Batch first_batch(std::int64_t count, bool captions = false) {
  const auto loader = toy_loader(count, count, captions);
  loader->begin_epoch(0);
  return loader->next().value();
}

double loss_of(AimTask& task, const data::Batch& batch, std::int64_t epoch = 0) {
  const at::NoGradGuard no_grad;
  StepContext context;
  context.epoch = epoch;
  return task.loss(batch, context).loss.item<double>();
}

// Plain gradient descent on one batch.
void descend(AimTask& task, const data::Batch& batch, int steps, double rate) {
  for (int step = 0; step < steps; ++step) {
    task.loss(batch, {}).loss.backward();
    const at::NoGradGuard no_grad;
    for (at::Tensor weight : task.parameters().tensors()) {
      if (!weight.grad().defined()) continue;
      weight.sub_(weight.grad() * rate);
      weight.mutable_grad().reset();
    }
  }
}

std::string refusal(const arch::EncoderSpec& spec, const AimOptions& options) {
  try {
    (void)toy_task(spec, options);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(AimTaskTest, LossFallsForPatchesAndCaptions) {
  for (const bool captions : {false, true}) {
    AimTask task = toy_task(captions ? caption_spec() : toy_spec());
    const data::Batch batch = first_batch(6, captions);
    const double before = loss_of(task, batch);
    descend(task, batch, 30, 0.05);
    EXPECT_LT(loss_of(task, batch), 0.9 * before) << captions;
  }
}

TEST(AimTaskTest, LossReachesEveryTrainableTensor) {
  for (const bool captions : {false, true}) {
    AimTask task = toy_task(captions ? caption_spec() : toy_spec());
    task.loss(first_batch(4, captions), {}).loss.backward();
    for (std::size_t i = 0; i < task.parameters().size(); ++i) {
      const arch::TensorEntry& entry = task.parameters().table().entries()[i];
      EXPECT_EQ(task.parameters().tensors()[i].grad().defined(), entry.trainable) << entry.name;
    }
  }
}

TEST(AimTaskTest, PrefixModelsDrawPrefixesPerEpochAndCausalOnesNone) {
  const data::Batch batch = first_batch(4);
  AimTask prefix = toy_task(toy_spec());
  EXPECT_EQ(loss_of(prefix, batch), loss_of(prefix, batch));
  EXPECT_NE(loss_of(prefix, batch), loss_of(prefix, batch, 1));
  AimTask causal = toy_task(toy_spec(arch::Mask::kCausal));
  EXPECT_EQ(loss_of(causal, batch), loss_of(causal, batch, 1));
}

TEST(AimTaskTest, OrdersChangeTheLossAndOnlyRandomOnesDifferBetweenEpochs) {
  const data::Batch batch = first_batch(4);
  const arch::EncoderSpec spec = toy_spec(arch::Mask::kCausal);
  AimTask raster = toy_task(spec);
  AimTask spiral = toy_task(spec, {.order = arch::VisitOrder::kSpiral});
  AimTask random = toy_task(spec, {.order = arch::VisitOrder::kRandom});
  EXPECT_NE(loss_of(spiral, batch), loss_of(raster, batch));
  EXPECT_EQ(loss_of(spiral, batch), loss_of(spiral, batch, 1));
  EXPECT_NE(loss_of(random, batch), loss_of(random, batch, 1));
}

TEST(AimTaskTest, EvaluationIsDeterministicWhateverTheBatchSize) {
  for (const bool captions : {false, true}) {
    AimTask task = toy_task(captions ? caption_spec() : toy_spec());
    const Evaluation a = task.evaluate(*toy_loader(10, 4, captions), {});
    const Evaluation b = task.evaluate(*toy_loader(10, 4, captions), {});
    const Evaluation whole = task.evaluate(*toy_loader(10, 10, captions), {});
    EXPECT_EQ(a.primary, "loss");
    EXPECT_FALSE(a.higher_is_better);
    EXPECT_EQ(a.values, b.values);
    ASSERT_EQ(a.values.size(), captions ? 4U : 1U);
    for (const auto& [name, value] : a.values) {
      EXPECT_TRUE(std::isfinite(value)) << name;
      EXPECT_NEAR(value, whole.value(name), 1e-5) << name;
    }
  }
}

TEST(AimTaskTest, CaptionLossIsTheWeightedSum) {
  AimTask task = toy_task(caption_spec(), {.pixel_weight = 0.25, .caption_weight = 2.0});
  const Evaluation out = task.evaluate(*toy_loader(6, 6, true), {});
  EXPECT_NEAR(out.value("loss"), 0.25 * out.value("pixel_loss") + 2.0 * out.value("text_loss"),
              1e-9);
  EXPECT_NEAR(loss_of(task, first_batch(6, true)), out.value("loss"), 1e-4);
}

TEST(AimTaskTest, PicturesKeepThePrefixAndFillInTheRest) {
  AimTask task = toy_task(toy_spec());
  EvaluateOptions options;
  options.samples = 24;
  const Evaluation out = task.evaluate(*toy_loader(6, 3), options);
  ASSERT_EQ(out.reconstructions.size(), 4U);
  for (const Reconstruction& made : out.reconstructions) {
    const std::span<const float> input = made.picture("input").data<float>();
    const std::span<const float> prefix = made.picture("prefix").data<float>();
    const std::span<const float> one_step = made.picture("one step").data<float>();
    const std::span<const float> rolled = made.picture("roll-out").data<float>();
    int given = 0;
    for (std::size_t i = 0; i < input.size(); ++i) {
      if (prefix[i] == 0.0F) continue;
      ++given;
      EXPECT_EQ(prefix[i], input[i]);
      EXPECT_EQ(one_step[i], input[i]);
      EXPECT_EQ(rolled[i], input[i]);
    }
    EXPECT_GT(given, 0);
    EXPECT_LT(given, kSide * kSide);
    EXPECT_TRUE(
        std::all_of(rolled.begin(), rolled.end(), [](float v) { return std::isfinite(v); }));
  }
}

TEST(AimTaskTest, RollOutReadsItsOwnPredictions) {
  AimTask task = toy_task(toy_spec(arch::Mask::kCausal));
  EvaluateOptions options;
  options.samples = 1;
  const Evaluation out = task.evaluate(*toy_loader(2, 2), options);
  const Reconstruction& made = out.reconstructions.at(0);
  const std::span<const float> one_step = made.picture("one step").data<float>();
  const std::span<const float> rolled = made.picture("roll-out").data<float>();
  // Patch 1 follows the given patch 0 in both; later ones follow what was predicted.
  for (const std::size_t i : {2U, 3U, 10U, 11U}) EXPECT_NEAR(one_step[i], rolled[i], 1e-5F);
  double apart = 0.0;
  for (std::size_t i = 0; i < rolled.size(); ++i) apart += std::abs(one_step[i] - rolled[i]);
  EXPECT_GT(apart, 1e-3);
}

TEST(AimTaskTest, StopsBetweenBatches) {
  AimTask task = toy_task(toy_spec());
  EvaluateOptions options;
  options.stop = [] { return true; };
  EXPECT_FALSE(task.evaluate(*toy_loader(6, 3), options).complete);
}

TEST(AimTaskTest, PredictsCodesAndRefusesCodebooksOfAnotherSize) {
  const auto path = std::filesystem::path(testing::TempDir()) / "aim_task_codes.safetensors";
  codebook::Codebook codes{.patch = 2, .channels = 1};
  for (int i = 0; i < 5 * 4; ++i) codes.centres.push_back(static_cast<float>(i % 7) - 3.0F);
  codebook::save_codebook(path, codes);
  arch::EncoderSpec spec = toy_spec();
  const AimOptions options{.codebook = path.string()};
  EXPECT_THAT(refusal(spec, options), testing::HasSubstr("decoder_outputs 0"));
  spec.decoder_outputs = 6;
  EXPECT_THAT(refusal(spec, options), testing::HasSubstr("expected 6 codes"));
  EXPECT_THAT(refusal(spec, {}), testing::HasSubstr("aim.codebook"));
  spec.decoder_outputs = 5;
  AimTask task = toy_task(spec, options);
  EvaluateOptions evaluate;
  evaluate.samples = 2;
  const Evaluation out = task.evaluate(*toy_loader(6, 6), evaluate);
  EXPECT_NEAR(out.value("loss"), std::log(5.0), 1.0);
  EXPECT_TRUE(out.reconstructions.empty());
}

TEST(AimTaskTest, RefusesWhatDoesNotFit) {
  arch::EncoderSpec spec = toy_spec();
  spec.decoder = arch::Decoder::kNone;
  EXPECT_THAT(refusal(spec, {}), testing::HasSubstr("model.decoder"));
  spec = caption_spec();
  spec.decoder_vocabulary = 258;
  EXPECT_THAT(refusal(spec, {}), testing::HasSubstr("259 tokens"));
  EXPECT_THAT(refusal(toy_spec(), {.pixel_weight = -1.0}), testing::HasSubstr("got -1"));
  EXPECT_THAT(refusal(toy_spec(), {.pixel_weight = 0.0, .caption_weight = 0.0}),
              testing::HasSubstr("both be 0"));
  AimTask captions = toy_task(caption_spec());
  EXPECT_THROW((void)captions.loss(first_batch(2), {}), ConfigError);
}

}  // namespace
}  // namespace conopa::tasks
