#include "conopa/tasks/mae.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "conopa/core/error.h"
#include "conopa/data/memory_dataset.h"
#include "conopa/nn/convert.h"

namespace conopa::tasks {
namespace {

arch::EncoderSpec toy_spec() {
  arch::EncoderSpec spec;
  spec.channels = 1;
  spec.height = spec.width = 8;
  spec.patch = 2;
  spec.dim = 16;
  spec.depth = 1;
  spec.heads = 2;
  spec.mlp_multiple_of = 16;
  spec.num_classes = 0;
  spec.mask = arch::Mask::kBidirectional;
  spec.class_token = arch::ClassToken::kLate;
  spec.position = arch::Position::kNone;
  spec.rotary = arch::Rotary::kPlane;
  spec.decoder = arch::Decoder::kMae;
  spec.decoder_dim = 8;
  spec.decoder_depth = 1;
  spec.decoder_heads = 2;
  spec.resolve();
  return spec;
}

MaeTask toy_task(const MaeOptions& options = {}) {
  nn::Encoder encoder(toy_spec());
  encoder.parameters().initialize(1);
  return MaeTask(std::move(encoder), options);
}

std::unique_ptr<data::Loader> toy_loader(std::int64_t count, std::int64_t batch) {
  data::MemoryImages images{.name = "toy",
                            .height = 8,
                            .width = 8,
                            .channels = 1,
                            .pixels = {},
                            .labels = {},
                            .class_names = {"a", "b"}};
  for (std::int64_t i = 0; i < count; ++i) {
    images.labels.push_back(i % 2);
    for (std::int64_t p = 0; p < 64; ++p) {
      images.pixels.push_back(static_cast<std::uint8_t>((i * 37 + p * p * 11) % 256));
    }
  }
  image::EvalTransformOptions transform;
  transform.height = transform.width = 8;
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
  return std::make_unique<data::Loader>(std::make_shared<data::MemoryDataset>(std::move(images)),
                                        image::make_eval_transform(transform),
                                        data::Sampler(order, count), options);
}

data::Batch first_batch(data::Loader& loader) {
  loader.begin_epoch(0);
  return loader.next().value();
}

MaeTask::Pass pass_of(const MaeTask& task, const data::Batch& batch) {
  const at::Tensor noise = nn::patch_noise({}, batch.indices, 16);
  return task.forward(nn::view_as_torch(batch.images), noise, {});
}

TEST(MaeTaskTest, TargetsAreNormalisedByTheirOwnPatch) {
  const MaeTask task = toy_task();
  const data::Batch batch = first_batch(*toy_loader(3, 3));
  const MaeTask::Pass pass = pass_of(task, batch);
  // Patch (1, 2) of sample 2 by hand: rows 2 and 3, columns 4 and 5.
  const std::span<const float> pixels = batch.images.data<float>().subspan(2 * 64);
  const double v[] = {pixels[20], pixels[21], pixels[28], pixels[29]};
  const double mean = (v[0] + v[1] + v[2] + v[3]) / 4.0;
  double variance = 0.0;
  for (const double x : v) variance += (x - mean) * (x - mean) / 3.0;
  for (int i = 0; i < 4; ++i) {
    EXPECT_NEAR(pass.target[2][6][i].item<double>(), (v[i] - mean) / std::sqrt(variance + 1e-6),
                1e-5);
  }
}

TEST(MaeTaskTest, TargetsArePlainPixelsWithoutNormPix) {
  const MaeTask task = toy_task({.norm_pix = false});
  const data::Batch batch = first_batch(*toy_loader(1, 1));
  const MaeTask::Pass pass = pass_of(task, batch);
  EXPECT_EQ(pass.target[0][0][2].item<float>(), batch.images.data<float>()[8]);
}

TEST(MaeTaskTest, LossCountsRemovedPatchesAlone) {
  const MaeTask task = toy_task();
  const data::Batch batch = first_batch(*toy_loader(3, 3));
  const MaeTask::Pass pass = pass_of(task, batch);
  const std::vector<double> prediction = nn::to_host(pass.prediction.detach()).to_f64();
  const std::vector<double> target = nn::to_host(pass.target).to_f64();
  const std::vector<double> removed = nn::to_host(pass.mask.removed).to_f64();
  double sum = 0.0;
  double count = 0.0;
  for (std::size_t i = 0; i < prediction.size(); ++i) {
    sum += removed[i / 4] * std::pow(prediction[i] - target[i], 2);
    count += removed[i / 4];
  }
  EXPECT_EQ(count, 3.0 * 12 * 4);
  EXPECT_NEAR(pass.loss.item<double>(), sum / count, 1e-6);
}

TEST(MaeTaskTest, MicroBatchesAddUpToTheBatch) {
  MaeTask task = toy_task();
  StepContext context;
  context.epoch = 3;
  context.random = {.seed = 5, .step = 1};
  const double whole = task.loss(first_batch(*toy_loader(6, 6)), context).loss.item<double>();
  const auto loader = toy_loader(6, 2);
  loader->begin_epoch(0);
  double parts = 0.0;
  while (const auto batch = loader->next()) {
    context.random.step += 1;  // the step's stream has no part in the mask
    parts += task.loss(*batch, context).loss.item<double>() / 3.0;
  }
  EXPECT_NEAR(parts, whole, 1e-6);
}

TEST(MaeTaskTest, EveryEpochHasItsOwnMasks) {
  MaeTask task = toy_task();
  const data::Batch batch = first_batch(*toy_loader(4, 4));
  StepContext context;
  const double first = task.loss(batch, context).loss.item<double>();
  EXPECT_EQ(task.loss(batch, context).loss.item<double>(), first);
  context.epoch = 1;
  EXPECT_NE(task.loss(batch, context).loss.item<double>(), first);
}

TEST(MaeTaskTest, LossReachesEveryTrainableTensor) {
  MaeTask task = toy_task();
  task.loss(first_batch(*toy_loader(4, 4)), {}).loss.backward();
  for (std::size_t i = 0; i < task.parameters().size(); ++i) {
    const arch::TensorEntry& entry = task.parameters().table().entries()[i];
    EXPECT_EQ(task.parameters().tensors()[i].grad().defined(), entry.trainable) << entry.name;
  }
}

TEST(MaeTaskTest, EvaluationDoesNotDependOnTheBatchSize) {
  MaeTask task = toy_task();
  const Evaluation a = task.evaluate(*toy_loader(10, 4), {});
  const Evaluation b = task.evaluate(*toy_loader(10, 10), {});
  EXPECT_NEAR(a.value("loss"), b.value("loss"), 1e-6);
  EXPECT_GT(a.value("loss"), 0.0);
  EXPECT_EQ(a.primary, "loss");
  EXPECT_FALSE(a.higher_is_better);
  EXPECT_FALSE(a.classification.has_value());
}

TEST(MaeTaskTest, StopsBetweenBatches) {
  MaeTask task = toy_task();
  EvaluateOptions options;
  options.stop = [] { return true; };
  EXPECT_FALSE(task.evaluate(*toy_loader(10, 4), options).complete);
}

TEST(MaeTaskTest, ReconstructionsPasteTheVisiblePatches) {
  MaeTask task = toy_task();
  EvaluateOptions options;
  options.samples = 2;
  const Evaluation evaluation = task.evaluate(*toy_loader(10, 4), options);
  ASSERT_EQ(evaluation.reconstructions.size(), 2U);
  const Reconstruction& second = evaluation.reconstructions[1];
  EXPECT_EQ(second.index, 5);
  EXPECT_EQ(second.picture("input").shape(), (Shape{1, 8, 8}));
  const auto loader = toy_loader(10, 10);
  const data::Batch batch = first_batch(*loader);
  const std::span<const float> pixels = batch.images.data<float>().subspan(5 * 64, 64);
  int visible = 0;
  for (std::size_t i = 0; i < 64; ++i) {
    EXPECT_EQ(second.picture("input").data<float>()[i], pixels[i]);
    if (second.picture("masked").data<float>()[i] == 0.0F) continue;
    ++visible;
    EXPECT_EQ(second.picture("masked").data<float>()[i], pixels[i]);
    EXPECT_EQ(second.picture("prediction").data<float>()[i], pixels[i]);
  }
  EXPECT_EQ(visible, 4 * 4);
}

TEST(MaeTaskTest, PredictedPatchesAreMappedBackByTheirOwnStatistics) {
  nn::Encoder encoder(toy_spec());
  encoder.parameters().initialize(1);
  // A decoder that predicts 0 everywhere shows the mean of every removed patch.
  const at::NoGradGuard no_grad;
  encoder.parameters().require(std::string(arch::names::kDecoderOut) + ".weight").zero_();
  MaeTask task(std::move(encoder));
  EvaluateOptions options;
  options.samples = 1;
  const Evaluation evaluation = task.evaluate(*toy_loader(2, 2), options);
  const Reconstruction& made = evaluation.reconstructions.at(0);
  const std::span<const float> in = made.picture("input").data<float>();
  const std::span<const float> out = made.picture("prediction").data<float>();
  for (std::size_t row = 0; row < 8; row += 2) {
    for (std::size_t col = 0; col < 8; col += 2) {
      const std::size_t at = row * 8 + col;
      if (made.picture("masked").data<float>()[at] != 0.0F) continue;
      EXPECT_NEAR(out[at + 9], (in[at] + in[at + 1] + in[at + 8] + in[at + 9]) / 4.0F, 1e-5F);
    }
  }
}

TEST(MaeTaskTest, KeepsAFewReconstructionsOnly) {
  MaeTask task = toy_task();
  EvaluateOptions options;
  options.samples = 24;
  EXPECT_EQ(task.evaluate(*toy_loader(30, 10), options).reconstructions.size(), 8U);
}

TEST(MaeOptionsTest, RefusesRatiosThatMaskNothingOrEverything) {
  const auto message = [](double ratio) -> std::string {
    try {
      MaeOptions{.mask_ratio = ratio}.validate_for(toy_spec());
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(message(0.75), "");
  EXPECT_THAT(message(0.0), testing::HasSubstr("above 0 and below 1, got 0"));
  EXPECT_THAT(message(1.0), testing::HasSubstr("above 0 and below 1, got 1"));
  EXPECT_THAT(message(std::nan("")), testing::HasSubstr("mask_ratio"));
  EXPECT_THAT(message(0.99),
              testing::HasSubstr("1 to 15 of the 16 patches visible, 0.99 leaves 0"));
  EXPECT_THAT(message(1e-18), testing::HasSubstr("leaves 16"));
}

TEST(MaeOptionsTest, RefusesModelsWithoutADecoderAndPatchesOfOneValue) {
  arch::EncoderSpec spec = toy_spec();
  spec.decoder = arch::Decoder::kNone;
  EXPECT_THROW(MaeOptions{}.validate_for(spec), ConfigError);
  spec = toy_spec();
  spec.patch = 1;
  spec.resolve();
  EXPECT_THROW(MaeOptions{}.validate_for(spec), ConfigError);
  EXPECT_NO_THROW(MaeOptions{.norm_pix = false}.validate_for(spec));
}

}  // namespace
}  // namespace conopa::tasks
