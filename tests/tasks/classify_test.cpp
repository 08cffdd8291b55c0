#include "conopa/tasks/classify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "conopa/core/error.h"
#include "conopa/data/memory_dataset.h"
#include "conopa/nn/convert.h"
#include "conopa/tasks/runtime.h"

namespace conopa::tasks {
namespace {

constexpr std::int64_t kClasses = 3;

arch::EncoderSpec toy_spec() {
  arch::EncoderSpec spec;
  spec.channels = 1;
  spec.height = spec.width = 8;
  spec.patch = 4;
  spec.dim = 16;
  spec.depth = 1;
  spec.heads = 2;
  spec.mlp_multiple_of = 16;
  spec.num_classes = kClasses;
  spec.resolve();
  return spec;
}

nn::Encoder toy_encoder() {
  nn::Encoder encoder(toy_spec());
  encoder.parameters().initialize(1);
  return encoder;
}

std::unique_ptr<data::Loader> toy_loader(std::int64_t count, std::int64_t batch,
                                         const data::MixupOptions& mixup = {}) {
  data::MemoryImages images{.name = "toy",
                            .height = 8,
                            .width = 8,
                            .channels = 1,
                            .pixels = {},
                            .labels = {},
                            .class_names = {"a", "b", "c"}};
  for (std::int64_t i = 0; i < count; ++i) {
    images.labels.push_back(i % kClasses);
    for (std::int64_t p = 0; p < 64; ++p) {
      images.pixels.push_back(static_cast<std::uint8_t>((i * 37 + p * 11) % 256));
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
  options.mixup = mixup;
  return std::make_unique<data::Loader>(std::make_shared<data::MemoryDataset>(std::move(images)),
                                        image::make_eval_transform(transform),
                                        data::Sampler(order, count), options);
}

data::Batch first_batch(data::Loader& loader) {
  loader.begin_epoch(0);
  return loader.next().value();
}

// The loss of `targets` [B, K] under the task's own logits, in double.
double reference_loss(const nn::Encoder& encoder, const data::Batch& batch,
                      const std::vector<double>& targets) {
  nn::ForwardOptions options;
  options.training = true;
  const at::Tensor out = encoder.forward(nn::view_as_torch(batch.images), options).logits;
  const std::vector<double> logits = nn::to_host(out).to_f64();
  double loss = 0.0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(batch.size()); ++i) {
    double sum = 0.0;
    for (std::size_t k = 0; k < kClasses; ++k) sum += std::exp(logits[i * kClasses + k]);
    for (std::size_t k = 0; k < kClasses; ++k) {
      loss -= targets[i * kClasses + k] * (logits[i * kClasses + k] - std::log(sum));
    }
  }
  return loss / static_cast<double>(batch.size());
}

// The same for a sigmoid per class, averaged over images and classes.
double reference_binary_loss(const nn::Encoder& encoder, const data::Batch& batch,
                             const std::vector<double>& targets) {
  nn::ForwardOptions options;
  options.training = true;
  const at::Tensor out = encoder.forward(nn::view_as_torch(batch.images), options).logits;
  const std::vector<double> logits = nn::to_host(out).to_f64();
  double loss = 0.0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double p = 1.0 / (1.0 + std::exp(-logits[i]));
    loss -= targets[i] * std::log(p) + (1.0 - targets[i]) * std::log(1.0 - p);
  }
  return loss / static_cast<double>(logits.size());
}

std::vector<double> smoothed(const data::Batch& batch, double s) {
  std::vector<double> targets;
  for (const std::int64_t label : batch.labels.data<std::int64_t>()) {
    for (std::int64_t k = 0; k < kClasses; ++k) {
      targets.push_back(s / kClasses + (k == label ? 1.0 - s : 0.0));
    }
  }
  return targets;
}

TEST(ClassifyTaskTest, SmoothsLabelsWithoutTargets) {
  ClassifyTask task(toy_encoder(), {.label_smoothing = 0.1});
  const data::Batch batch = first_batch(*toy_loader(6, 6));
  EXPECT_NEAR(task.loss(batch, {}).loss.item<double>(),
              reference_loss(task.encoder(), batch, smoothed(batch, 0.1)), 1e-5);
}

TEST(ClassifyTaskTest, UsesTheTargetsOfAMixedBatch) {
  ClassifyTask task(toy_encoder(), {.label_smoothing = 0.1});
  data::MixupOptions mixup;
  mixup.mixup_alpha = 1.0;
  const data::Batch batch = first_batch(*toy_loader(6, 6, mixup));
  ASSERT_FALSE(batch.targets.empty());
  EXPECT_NEAR(task.loss(batch, {}).loss.item<double>(),
              reference_loss(task.encoder(), batch, batch.targets.to_f64()), 1e-5);
}

TEST(ClassifyTaskTest, BinaryLossTakesLabelsAsOneHot) {
  ClassifyTask task(toy_encoder(), {.loss = ClassifyLoss::kBce});
  const data::Batch batch = first_batch(*toy_loader(6, 6));
  EXPECT_NEAR(task.loss(batch, {}).loss.item<double>(),
              reference_binary_loss(task.encoder(), batch, smoothed(batch, 0.0)), 1e-6);
}

TEST(ClassifyTaskTest, BinaryLossCountsEveryMixedClassInFull) {
  ClassifyTask task(toy_encoder(), {.loss = ClassifyLoss::kBce});
  data::MixupOptions mixup;
  mixup.mixup_alpha = 1.0;
  const data::Batch batch = first_batch(*toy_loader(6, 6, mixup));
  std::vector<double> targets = batch.targets.to_f64();
  int mixed = 0;
  for (double& target : targets) {
    mixed += target > 0.0 && target < 1.0 ? 1 : 0;
    target = target > 0.0 ? 1.0 : 0.0;
  }
  ASSERT_GT(mixed, 0);
  EXPECT_NEAR(task.loss(batch, {}).loss.item<double>(),
              reference_binary_loss(task.encoder(), batch, targets), 1e-6);
}

TEST(ClassifyTaskTest, BinaryLossRefusesLabelSmoothing) {
  const ClassifyOptions options{.loss = ClassifyLoss::kBce, .label_smoothing = 0.1};
  EXPECT_THROW(ClassifyTask(toy_encoder(), options), ConfigError);
}

TEST(ClassifyTaskTest, EvaluationLossIsCrossEntropyUnderEveryTrainingLoss) {
  ClassifyTask binary(toy_encoder(), {.loss = ClassifyLoss::kBce});
  ClassifyTask softmax(toy_encoder());
  const auto loader = toy_loader(6, 6);
  EXPECT_EQ(binary.evaluate(*loader, {}).value("loss"),
            softmax.evaluate(*loader, {}).value("loss"));
}

TEST(ClassifyTaskTest, LossReachesEveryTrainableTensor) {
  ClassifyTask task(toy_encoder());
  const data::Batch batch = first_batch(*toy_loader(6, 6));
  StepContext context;
  context.mask_rate = 0.5;
  task.loss(batch, context).loss.backward();
  for (std::size_t i = 0; i < task.parameters().size(); ++i) {
    EXPECT_TRUE(task.parameters().tensors()[i].grad().defined())
        << task.parameters().table().entries()[i].name;
  }
}

TEST(ClassifyTaskTest, EvaluatesEverySampleOnce) {
  ClassifyTask task(toy_encoder());
  const auto loader = toy_loader(10, 4);
  EvaluateOptions options;
  options.samples = 3;
  const Evaluation evaluation = task.evaluate(*loader, options);
  ASSERT_TRUE(evaluation.classification.has_value());
  EXPECT_EQ(evaluation.classification->samples, 10);
  EXPECT_EQ(evaluation.value("top1"), evaluation.classification->top1);
  EXPECT_EQ(evaluation.primary, "top1");
  ASSERT_EQ(evaluation.samples.size(), 3U);
  EXPECT_EQ(evaluation.samples[0].index, 0);
  EXPECT_EQ(evaluation.samples[1].index, 3);
  EXPECT_EQ(evaluation.samples[2].index, 6);
  double sum = 0.0;
  for (const auto& [k, p] : evaluation.samples[1].top) sum += p;
  EXPECT_NEAR(sum, 1.0, 1e-9);
}

TEST(ClassifyTaskTest, DoesNotDependOnTheBatchSize) {
  ClassifyTask task(toy_encoder());
  const Evaluation a = task.evaluate(*toy_loader(10, 4), {});
  const Evaluation b = task.evaluate(*toy_loader(10, 10), {});
  EXPECT_NEAR(a.value("loss"), b.value("loss"), 1e-6);
  EXPECT_EQ(a.value("top1"), b.value("top1"));
}

TEST(ClassifyTaskTest, StopsBetweenBatches) {
  ClassifyTask task(toy_encoder());
  EvaluateOptions options;
  options.stop = [] { return true; };
  EXPECT_FALSE(task.evaluate(*toy_loader(10, 4), options).complete);
}

TEST(ClassifyTaskTest, RefusesDataWithMoreClassesThanTheHead) {
  arch::EncoderSpec spec = toy_spec();
  spec.num_classes = 2;
  nn::Encoder encoder(spec);
  encoder.parameters().initialize(1);
  ClassifyTask task(std::move(encoder));
  EXPECT_THROW(static_cast<void>(task.evaluate(*toy_loader(6, 6), {})), ConfigError);
}

TEST(ClassifyTaskTest, NeedsAHead) {
  arch::EncoderSpec spec = toy_spec();
  spec.num_classes = 0;
  EXPECT_THROW(ClassifyTask{nn::Encoder(spec)}, ConfigError);
}

TEST(EvaluationTest, BetterDependsOnTheDirectionAndNeverOnNan) {
  Evaluation evaluation;
  const double nan = std::nan("");
  EXPECT_TRUE(evaluation.improves(0.5, 0.4));
  EXPECT_FALSE(evaluation.improves(0.4, 0.4));
  EXPECT_TRUE(evaluation.improves(0.1, nan));
  EXPECT_FALSE(evaluation.improves(nan, nan));
  evaluation.higher_is_better = false;
  EXPECT_TRUE(evaluation.improves(0.3, 0.4));
}

TEST(RuntimeTest, SelectsDevicesByName) {
  EXPECT_TRUE(select_device("cpu").is_cpu());
  EXPECT_THROW(static_cast<void>(select_device("gpu")), ConfigError);
  EXPECT_THROW(static_cast<void>(select_device("cuda:9")), UnsupportedError);
}

TEST(RuntimeTest, RefusesAnAbsurdThreadCount) {
  EXPECT_THROW(set_compute_threads(-1), ConfigError);
  EXPECT_EQ(set_compute_threads(1), 1);
}

}  // namespace
}  // namespace conopa::tasks
