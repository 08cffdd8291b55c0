#include "conopa/tasks/points.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/arch/registry.h"
#include "conopa/core/error.h"
#include "conopa/nn/convert.h"
#include "conopa/points/solids.h"
#include "tests/core/thrown.h"

namespace conopa::tasks {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::int64_t kPoints = 24;
constexpr std::int64_t kPool = 28;

arch::EncoderSpec toy_spec() {
  arch::EncoderSpec spec = arch::preset_spec("point_bert_small");
  spec.dim = 16;
  spec.heads = 2;
  spec.depth = 1;
  spec.width = 6;
  spec.num_classes = 10;
  spec.point.count = kPoints;
  spec.point.group = 4;
  spec.point.width = 8;
  spec.head_hidden = 8;
  spec.head_dropout = 0.0;
  spec.drop_path = 0.0;
  spec.resolve();
  return spec;
}

PointsTask toy_task(const PointsOptions& options = {}) {
  nn::Encoder encoder(toy_spec());
  encoder.parameters().initialize(1);
  return PointsTask(std::move(encoder), options);
}

std::shared_ptr<const CloudDataset> toy_clouds() {
  return std::make_shared<CloudDataset>(
      points::furthest_subset(points::make_solids({.clouds = 20, .points = 40}), kPool));
}

std::unique_ptr<data::Loader> toy_loader(data::Split split) {
  data::SamplerOptions order;
  order.order = data::SampleOrder::kSequential;
  order.tail = data::ShardTail::kUneven;
  return std::make_unique<data::Loader>(make_cloud_source(toy_clouds(), {}, split),
                                        data::Sampler(order, 20),
                                        data::LoaderOptions{.batch = 8, .workers = 0});
}

data::Batch first_batch(data::Split split) {
  const auto loader = toy_loader(split);
  loader->begin_epoch(0);
  return loader->next().value();
}

TEST(CloudOptionsTest, ThePoolIsThatOfTheReleasedCode) {
  const CloudOptions options;
  EXPECT_EQ(options.pool_size(1024, 2048), 1200);
  EXPECT_EQ(options.pool_size(2048, 8192), 2400);
  EXPECT_EQ(options.pool_size(4096, 8192), 4800);
  EXPECT_EQ(options.pool_size(8192, 8192), 8192);
  EXPECT_THAT(
      conopa::testing::message_of<ShapeError>([&] { return options.pool_size(4096, 2048); }),
      HasSubstr("at least 4096 points, found 2048"));
}

TEST(CloudSourceTest, EvaluationSeesPoolsAsTheyAreAndTrainingChangesThem) {
  const data::Batch eval = first_batch(data::Split::kEval);
  EXPECT_EQ(eval.images.shape(), (Shape{8, kPool, 3}));
  const auto clouds = toy_clouds();
  const std::span expected = clouds->set().cloud(0);
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), eval.images.data<float>().begin()));
  EXPECT_NE(first_batch(data::Split::kTrain).images.to_f32(), eval.images.to_f32());
}

TEST(CloudDatasetTest, PicturesShowTheCloud) {
  const data::Sample sample = toy_clouds()->get(3);
  const auto dark = std::count_if(sample.image.pixels.begin(), sample.image.pixels.end(),
                                  [](std::uint8_t value) { return value < 255; });
  EXPECT_GT(dark, 3 * kPool / 2);
  EXPECT_LE(dark, 3 * kPool);
}

TEST(PointsTaskTest, SmoothingGivesTheOthersEqualParts) {
  PointsTask task = toy_task({.smoothing = 0.2});
  PointsTask plain = toy_task();
  const data::Batch batch = first_batch(data::Split::kEval);
  const StepContext context{.exec = {}, .random = {.seed = 1, .step = 2}};
  // With ε = 0.2 the loss is 0.8 of the label's and 0.2/9 of each other one's.
  const double smooth = task.loss(batch, context).loss.item<double>();
  const double sharp = plain.loss(batch, context).loss.item<double>();
  const double none = toy_task({.smoothing = 0.9}).loss(batch, context).loss.item<double>();
  // All three lie on the line a + ε·b, as the targets do.
  EXPECT_NEAR((smooth - sharp) / 0.2, (none - sharp) / 0.9, 1e-4);
  EXPECT_GT(std::abs(smooth - sharp), 1e-4);
}

TEST(PointsTaskTest, TheStepChoosesTheSamePointsForAWholeBatch) {
  PointsTask task = toy_task();
  const data::Batch batch = first_batch(data::Split::kEval);
  const auto loss = [&](std::uint64_t step) {
    return task.loss(batch, {.exec = {}, .random = {.seed = 1, .step = step}}).loss.item<double>();
  };
  EXPECT_EQ(loss(1), loss(1));
  EXPECT_NE(loss(1), loss(2));
}

TEST(PointsTaskTest, EvaluatesWithAndWithoutVotes) {
  PointsTask plain = toy_task();
  const auto loader = toy_loader(data::Split::kEval);
  const Evaluation without = plain.evaluate(
      *loader, {.exec = {}, .mask_rate = {}, .samples = 4, .stop = {}, .progress = {}});
  EXPECT_EQ(without.primary, "top1");
  EXPECT_EQ(without.samples.size(), 4U);
  EXPECT_EQ(without.values.size(), 4U);
  PointsTask voting = toy_task({.vote = {.runs = 2, .copies = 3}});
  const Evaluation with = voting.evaluate(*loader, {});
  EXPECT_EQ(with.value("top1"), without.value("top1"));
  EXPECT_GE(with.value("vote_top1"), 0.0);
  EXPECT_EQ(with.value("vote_top1"), voting.evaluate(*loader, {}).value("vote_top1"));
}

TEST(PointsTaskTest, RefusesModelsOfImages) {
  arch::EncoderSpec spec;
  spec.resolve();
  EXPECT_THAT(conopa::testing::message_of<ConfigError>(
                  [&] { return PointsTask(nn::Encoder(spec)).spec().dim; }),
              HasSubstr("needs a model with input = \"points\", got \"image\""));
}

}  // namespace
}  // namespace conopa::tasks
