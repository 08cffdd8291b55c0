#include "conopa/train/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/core/error.h"
#include "conopa/core/fields_json.h"
#include "tests/train/toy.h"

namespace conopa::train {
namespace {

RunConfig read(std::string_view text) {
  Config config = Config::parse(text, "recipe");
  return RunConfig::from(config);
}

constexpr std::string_view kSmall = R"(
[model]
preset = "illama_tiny_patch16_224"
height = 28
width = 28
channels = 1
patch = 7
dim = 64
heads = 2
[data]
path = "somewhere"
[augment]
mean = [0.5]
std = [0.25]
)";

TEST(RunConfigTest, AppliesFieldsOverThePreset) {
  RunConfig config = read(kSmall);
  config.resolve(10);
  EXPECT_EQ(config.model.spec.dim, 64);
  EXPECT_EQ(config.model.spec.depth, 12);
  EXPECT_EQ(config.model.spec.mlp_hidden, 256);  // of 64, not of the preset's 192
  EXPECT_EQ(config.model.spec.num_classes, 10);
}

TEST(RunConfigTest, ImagesFollowTheModelAndEachOther) {
  const RunConfig config = read(kSmall);
  EXPECT_EQ(config.augment.height, 28);
  EXPECT_EQ(config.eval_transform.width, 28);
  EXPECT_EQ(config.eval_transform.channels, 1);
  EXPECT_EQ(config.eval_transform.mean, std::vector<double>{0.5});
}

TEST(RunConfigTest, RefusesAnUnknownKeyWithTheNearest) {
  try {
    static_cast<void>(read(std::string(kSmall) + "[optim]\nlr_peek = 1e-3\n"));
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("lr_peak"));
  }
}

TEST(RunConfigTest, RefusesImagesOfAnotherSize) {
  // The text ends inside [augment].
  EXPECT_THROW(static_cast<void>(read(std::string(kSmall) + "height = 32\n")), ConfigError);
}

TEST(RunConfigTest, RefusesAMaskScheduleForAnotherMask) {
  Config config = Config::parse(std::string(kSmall) + "[mask]\ncutoff_epochs = 2.0\n", "recipe",
                                std::vector<std::string>{"model.mask=causal"});
  EXPECT_THROW(static_cast<void>(RunConfig::from(config)), ConfigError);
}

TEST(RunConfigTest, RefusesFewerClassesThanTheData) {
  RunConfig config = read(kSmall);
  config.classes_from_data = false;
  config.model.spec.num_classes = 5;
  EXPECT_THROW(config.resolve(10), ConfigError);
}

TEST(RunConfigTest, ReadsOptimizerScheduleLossAndWhatIsTrained) {
  const RunConfig config = read(std::string(kSmall) + R"(
[optim]
optimizer = "lars"
schedule = "epoch_lagged"
momentum = 0.8
trust = 0.01
[train]
loss = "bce"
trainable = "head"
)");
  EXPECT_EQ(config.optim.optimizer, OptimizerKind::kLars);
  EXPECT_EQ(config.optim.schedule, LrMode::kEpochLagged);
  EXPECT_EQ(config.optim.momentum, 0.8);
  EXPECT_EQ(config.optim.trust, 0.01);
  EXPECT_EQ(config.train.loss, tasks::ClassifyLoss::kBce);
  EXPECT_EQ(config.train.trainable, Trainable::kHead);
}

TEST(RunConfigTest, RefusesLabelSmoothingWithTheBinaryLoss) {
  try {
    static_cast<void>(
        read(std::string(kSmall) + "[mixup]\nlabel_smoothing = 0.1\n[train]\nloss = \"bce\"\n"));
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("mixup.label_smoothing"));
  }
}

TEST(OptimOptionsTest, RefusesMomentumAndTrustOutOfRange) {
  EXPECT_THROW(OptimOptions{.momentum = 1.5}.validate(), ConfigError);
  EXPECT_THROW(OptimOptions{.trust = -1.0}.validate(), ConfigError);
}

TEST(TrainOptionsTest, NeedsADividingAccumulation) {
  TrainOptions options;
  options.batch = 10;
  options.accumulate = 3;
  EXPECT_THROW(options.validate(), ConfigError);
  options.accumulate = 5;
  EXPECT_NO_THROW(options.validate());
  EXPECT_EQ(options.micro_batch(), 2);
}

TEST(RunConfigTest, SurvivesItsOwnTomlAndJson) {
  RunConfig config = toy_config("run");
  config.resolve(4);
  Config toml = Config::parse(to_toml(config), "resolved");
  EXPECT_EQ(to_json(RunConfig::from(toml)), to_json(config));
}

TEST(ChangedKeysTest, TellsWhatChangesResultsOnly) {
  const RunConfig a = toy_config("run");
  RunConfig b = a;
  b.train.workers = 7;
  b.train.save_minutes = 1.0;
  b.output.dir = "elsewhere";
  EXPECT_THAT(changed_keys(a, b), testing::IsEmpty());
  b.train.epochs += 1;
  b.optim.betas = {0.9, 0.95};
  EXPECT_THAT(changed_keys(a, b), testing::UnorderedElementsAre("optim.betas.1", "train.epochs"));
}

}  // namespace
}  // namespace conopa::train
