#include "conopa/train/trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

#include "conopa/core/error.h"
#include "conopa/io/model_folder.h"
#include "conopa/nn/convert.h"
#include "conopa/report/metrics_log.h"
#include "conopa/train/checkpoint.h"
#include "tests/train/toy.h"

namespace conopa::train {
namespace {

using testing::HasSubstr;

RunResult run(const RunConfig& config, const RunOptions& options = {}) {
  return Trainer(config, toy_parts(), options).run();
}

// The final weights, all in one list.
std::vector<float> weights_of(const std::filesystem::path& run_folder) {
  const ModelFolder model = open_model_folder(run_folder / "model");
  std::vector<float> out;
  for (const std::string& name : model.weights->names()) {
    for (const float v : model.weights->read(name).to_f32()) out.push_back(v);
  }
  return out;
}

TEST(TrainerTest, LearnsASeparableSet) {
  const TestFolder folder;
  RunConfig config = toy_config(folder / "run");
  config.train.epochs = 30;
  config.optim.lr_peak = 1e-2;
  const RunResult result = run(config);
  EXPECT_EQ(result.status, RunStatus::kFinished);
  EXPECT_EQ(result.steps, 180);
  ASSERT_TRUE(result.evaluation.has_value());
  EXPECT_GE(result.evaluation->value("top1"), 0.95);
  EXPECT_GE(result.best, result.evaluation->value("top1"));
}

TEST(TrainerTest, WritesTheWholeRunFolder) {
  const TestFolder folder;
  RunConfig config = toy_config(folder / "run");
  config.train.epochs = 2;
  config.train.save_every = 1;
  config.train.keep_last = 1;
  config.output.tensorboard = true;
  std::ostringstream progress;
  RunOptions options;
  options.command = "conopa train toy.toml";
  options.version = "9.9.9";
  options.progress = &progress;
  static_cast<void>(run(config, options));
  for (const char* name :
       {"config.toml", "config.json", "command.txt", "environment.json", "metrics.jsonl",
        "summary.csv", "report.html", "evaluation.json", "model/model.safetensors",
        "model/config.json", "model/preprocessor_config.json", "model/README.md",
        "checkpoints/last/state.json", "checkpoints/best/model.safetensors",
        "checkpoints/epoch_2/training.safetensors"}) {
    EXPECT_TRUE(std::filesystem::is_regular_file(folder / "run" / name)) << name;
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "run/checkpoints/epoch_1"));
  EXPECT_THAT(progress.str(), HasSubstr("images/s"));
  EXPECT_THAT(read_bytes(folder / "run/model/README.md"), HasSubstr("conopa train toy.toml"));
  EXPECT_THAT(read_bytes(folder / "run/summary.csv"), HasSubstr("epoch,train_loss,eval_loss"));
  const auto events = report::read_metrics(folder / "run/metrics.jsonl");
  // Six steps an epoch, a line every four and at the end of an epoch, an evaluation per epoch.
  ASSERT_EQ(events.size(), 6U);
  EXPECT_EQ(events.back().split, "eval");
  EXPECT_EQ(events.back().step, 12);
}

TEST(TrainerTest, RefusesAFolderThatHoldsARun) {
  const TestFolder folder;
  RunConfig config = toy_config(folder / "run");
  config.train.epochs = 1;
  static_cast<void>(run(config));
  EXPECT_THROW(static_cast<void>(run(config)), RunError);
  RunOptions options;
  options.overwrite = true;
  EXPECT_EQ(run(config, options).steps, 6);
}

TEST(TrainerTest, RefusesToResumeNothing) {
  const TestFolder folder;
  RunOptions options;
  options.resume = Resume::kRequired;
  EXPECT_THROW(static_cast<void>(run(toy_config(folder / "run"), options)), RunError);
}

TEST(TrainerTest, RefusesToResumeAnotherConfig) {
  const TestFolder folder;
  RunConfig config = toy_config(folder / "run");
  config.train.epochs = 1;
  static_cast<void>(run(config));
  config.optim.lr_peak *= 2.0;
  RunOptions options;
  options.resume = Resume::kAuto;
  try {
    static_cast<void>(run(config, options));
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), HasSubstr("optim.lr_peak"));
  }
}

TEST(TrainerTest, AccumulationEqualsOneBigBatch) {
  const TestFolder folder;
  RunConfig config = toy_config(folder / "big");
  config.train.epochs = 1;
  static_cast<void>(run(config));
  config.output.dir = (folder / "small").string();
  config.train.accumulate = 4;
  static_cast<void>(run(config));
  // Adam's first steps have the size of the learning rate whatever the gradient, so rounding of
  // tiny gradients shows; 18 micro-batches of a mean loss must still agree closely.
  EXPECT_THAT(weights_of(folder / "small"),
              testing::Pointwise(testing::FloatNear(2e-5F), weights_of(folder / "big")));
}

TEST(TrainerTest, ClippingChangesTheWeightsAndAHugeLimitDoesNot) {
  const TestFolder folder;
  RunConfig config = toy_config(folder / "free");
  config.train.epochs = 1;
  static_cast<void>(run(config));
  config.output.dir = (folder / "wide").string();
  config.optim.clip_grad = 1e5;
  static_cast<void>(run(config));
  config.output.dir = (folder / "tight").string();
  config.optim.clip_grad = 1e-3;
  static_cast<void>(run(config));
  EXPECT_EQ(weights_of(folder / "wide"), weights_of(folder / "free"));
  EXPECT_NE(weights_of(folder / "tight"), weights_of(folder / "free"));
}

TEST(TrainerTest, StopsOnANonFiniteLossAndKeepsTheCheckpoint) {
  const TestFolder folder;
  RunConfig config = toy_config(folder / "run");
  config.optim.lr_peak = 1e5;  // after the warm-up's first, free step
  config.optim.weight_decay = 1e5;
  config.train.save_steps = 1;
  try {
    static_cast<void>(run(config));
    FAIL() << "the loss stayed finite";
  } catch (const RunError& error) {
    EXPECT_THAT(error.what(), HasSubstr("not finite"));
    EXPECT_EQ(error.code(), ExitCode::kRunFailed);
  }
  EXPECT_TRUE(std::filesystem::exists(folder / "run/checkpoints/last/model.safetensors"));
}

TEST(TrainerTest, EndsAfterTooManySkippedSteps) {
  const TestFolder folder;
  RunConfig config = toy_config(folder / "run");
  config.optim.lr_peak = 1e5;
  config.optim.weight_decay = 1e5;
  config.train.on_nonfinite = OnNonfinite::kSkip;
  config.train.max_nonfinite = 3;
  try {
    static_cast<void>(run(config));
    FAIL() << "the loss stayed finite";
  } catch (const RunError& error) {
    EXPECT_THAT(error.what(), HasSubstr("like the 2 steps before"));
  }
}

// Overflows in the forward pass for one value of a batch, to see a skipped step alone.
TEST(TrainerTest, SkipsAStepWithoutTouchingTheWeights) {
  const TestFolder folder;
  RunConfig config = toy_config(folder / "run");
  config.train.epochs = 1;
  config.train.on_nonfinite = OnNonfinite::kSkip;
  Trainer trainer(config, toy_parts(), {});
  const at::Tensor& norm = trainer.task().parameters().require("norm.weight");
  nn::floats(norm.detach())[0] = std::numeric_limits<float>::infinity();
  const std::vector<double> before =
      nn::to_host(trainer.task().parameters().require("head.weight")).to_f64();
  EXPECT_EQ(trainer.run().steps, 6);
  EXPECT_EQ(nn::to_host(trainer.task().parameters().require("head.weight")).to_f64(), before);
  EXPECT_THAT(read_bytes(folder / "run/metrics.jsonl"), HasSubstr("\"nonfinite\":6.0"));
}

TEST(TrainerTest, StopsAtTheTimeLimitAndGoesOn) {
  const TestFolder folder;
  RunConfig config = toy_config(folder / "run");
  config.train.time_limit_minutes = 1e-9;
  RunResult result = run(config);
  EXPECT_EQ(result.status, RunStatus::kTimeLimit);
  EXPECT_EQ(result.steps, 1);
  config.train.time_limit_minutes = 0.0;
  RunOptions options;
  options.resume = Resume::kAuto;
  result = run(config, options);
  EXPECT_EQ(result.status, RunStatus::kFinished);
  EXPECT_EQ(result.steps, 18);
}

TEST(TrainerTest, StartsFromAModelOfOtherClassesAndSize) {
  const TestFolder folder;
  RunConfig config = toy_config(folder / "first");
  config.train.epochs = 1;
  static_cast<void>(run(config));
  RunConfig second = toy_config(folder / "second");
  second.train.init_from = (folder / "first/model").string();
  second.model.spec.num_classes = 7;
  second.classes_from_data = false;
  EXPECT_THROW(Trainer(second, toy_parts(), {}), FormatError);
  second.train.init_policy = InitPolicy::kPartial;
  Trainer trainer(second, toy_parts(), {});
  const ModelFolder source = open_model_folder(folder / "first/model");
  EXPECT_EQ(nn::to_host(trainer.task().parameters().require("norm.weight")).to_f32(),
            source.weights->read("norm.weight").to_f32());
}

TEST(TrainerTest, StartsFromAModelOfAnotherImageSize) {
  const TestFolder folder;
  RunConfig config = toy_config(folder / "first");
  config.train.epochs = 1;
  static_cast<void>(run(config));
  RunConfig second = toy_config(folder / "second");
  second.train.init_from = (folder / "first/checkpoints/last").string();
  for (auto* side :
       {&second.model.spec.height, &second.augment.height, &second.eval_transform.height}) {
    *side = 12;
  }
  Trainer trainer(second, toy_parts(), {});
  const at::Tensor& resized = trainer.task().parameters().require("pos_embed");
  EXPECT_EQ(resized.sizes().vec(), (std::vector<std::int64_t>{1, 7, 16}));
  const std::vector<float> values = nn::to_host(resized).to_f32();
  const std::vector<float> source =
      open_model_folder(folder / "first/model").weights->read("pos_embed").to_f32();
  // The class entry comes last and keeps its value.
  EXPECT_EQ(std::vector<float>(values.end() - 16, values.end()),
            std::vector<float>(source.end() - 16, source.end()));
}

TEST(TrainerTest, AFrozenEncoderKeepsItsBytes) {
  const TestFolder folder;
  RunConfig config = toy_config(folder / "run");
  config.train.trainable = Trainable::kHead;
  config.train.ema_decay = 0.9;
  config.train.checkpoint_blocks = true;
  config.optim.weight_decay = 0.5;
  Trainer trainer(config, toy_parts(), {});
  const std::map<std::string, HostTensor> before = trainer.task().parameters().to_host();
  static_cast<void>(trainer.run());
  const ModelFolder after = open_model_folder(folder / "run/model");
  for (const auto& [name, tensor] : before) {
    const std::vector<float> values = after.weights->read(name).to_f32();
    if (name.starts_with("head.")) {
      EXPECT_NE(values, tensor.to_f32()) << name;
    } else {
      EXPECT_EQ(values, tensor.to_f32()) << name;
    }
  }
  EXPECT_EQ(open_train_checkpoint(folder / "run/checkpoints/last").resume->names().size(),
            4 + before.size());  // two moments of weight and bias, the weights beside the average
}

TEST(TrainerTest, AFrozenEncoderBuildsNoGraph) {
  const TestFolder folder;
  RunConfig config = toy_config(folder / "run");
  config.train.trainable = Trainable::kHead;
  Trainer trainer(config, toy_parts(), {});
  const data::Batch batch{.images = HostTensor::zeros(DType::kF32, {2, 1, 8, 8}),
                          .labels = HostTensor::zeros(DType::kI64, {2}),
                          .targets = {},
                          .indices = {0, 1},
                          .captions = {}};
  trainer.task().loss(batch, {}).loss.backward();
  const nn::Parameters& parameters = trainer.task().parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const std::string& name = parameters.table().entries()[i].name;
    EXPECT_EQ(parameters.tensors()[i].grad().defined(), name.starts_with("head.")) << name;
  }
}

TEST(TrainerTest, LearnsWithLambAndTheBinaryLoss) {
  const TestFolder folder;
  RunConfig config = toy_config(folder / "run");
  config.train.epochs = 60;
  config.train.loss = tasks::ClassifyLoss::kBce;
  config.optim.optimizer = OptimizerKind::kLamb;
  config.optim.lr_peak = 1.5e-2;
  config.optim.clip_grad = 1.0;
  const RunResult result = run(config);
  EXPECT_GE(result.evaluation->value("top1"), 0.95);
  // A binary loss starts at log 2, a softmax over four classes at log 4.
  const auto events = report::read_metrics(folder / "run/metrics.jsonl");
  ASSERT_EQ(events.front().values.front().first, "loss");
  EXPECT_NEAR(events.front().values.front().second, std::log(2.0), 0.1);
}

TEST(TrainerTest, ProbesATrainedEncoderWithLars) {
  const TestFolder folder;
  RunConfig config = toy_config(folder / "encoder");
  config.train.epochs = 30;
  config.optim.lr_peak = 1e-2;
  ASSERT_GE(run(config).evaluation->value("top1"), 0.95);
  RunConfig probe = toy_config(folder / "probe");
  probe.train.init_from = (folder / "encoder/model").string();
  probe.train.init_policy = InitPolicy::kPartial;
  probe.model.spec.num_classes = 5;  // so that the head starts fresh
  probe.classes_from_data = false;
  probe.train.trainable = Trainable::kHead;
  probe.optim.optimizer = OptimizerKind::kLars;
  probe.optim.lr_peak = 20.0;
  probe.optim.lr_start = 1e-4 * probe.optim.lr_peak;  // biases begin at 0, where the rate is lr
  probe.train.epochs = 10;
  probe.optim.weight_decay = 0.0;
  const RunResult result = run(probe);
  EXPECT_GE(result.evaluation->value("top1"), 0.95);
  EXPECT_LT(result.evaluation->value("loss"), 0.1);
}

TEST(TrainerTest, TheFinalModelCanBeTheBest) {
  const TestFolder folder;
  RunConfig config = toy_config(folder / "run");
  config.optim.lr_peak = 0.3;  // wild enough that the last epoch is hardly the best
  config.train.epochs = 4;
  config.output.model = ModelChoice::kBest;
  const RunResult result = run(config);
  EXPECT_EQ(result.evaluation->value("top1"), result.best);
}

TEST(TrainerTest, RefusesABatchLargerThanTheData) {
  const TestFolder folder;
  RunConfig config = toy_config(folder / "run");
  config.train.batch = 97;
  EXPECT_THROW(Trainer(config, toy_parts(), {}), ConfigError);
}

TEST(WallClockTest, NamesTheFieldsThatDifferBetweenEqualRuns) {
  EXPECT_TRUE(is_wall_clock("wall_time"));
  EXPECT_TRUE(is_wall_clock("images_per_s"));
  EXPECT_FALSE(is_wall_clock("loss"));
}

}  // namespace
}  // namespace conopa::train
