// Every shipped recipe must read: keys, values, presets, bases.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "conopa/core/config.h"
#include "conopa/train/options.h"

namespace conopa::train {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> recipes() {
  std::vector<fs::path> out;
  for (const auto& entry :
       fs::recursive_directory_iterator(fs::path(CONOPA_SOURCE_DIR) / "recipes")) {
    if (entry.path().extension() == ".toml") out.push_back(entry.path());
  }
  return out;
}

TEST(RecipesTest, AllRead) {
  ASSERT_GE(recipes().size(), 10U);
  for (const fs::path& path : recipes()) {
    Config config = Config::load(path);
    EXPECT_NO_THROW(static_cast<void>(RunConfig::from(config))) << path;
  }
}

TEST(RecipesTest, SchedulesFollowThePublishedTable) {
  const auto read = [](const char* name) {
    Config config = Config::load(fs::path(CONOPA_SOURCE_DIR) / "recipes/illama" / name);
    return RunConfig::from(config);
  };
  const RunConfig base = read("imagenet_base_224.toml");
  EXPECT_EQ(base.train.batch, 4096);
  EXPECT_EQ(base.optim.warmup_epochs, 50.0);
  EXPECT_EQ(base.model.spec.drop_path, 0.4);
  EXPECT_EQ(base.mixup.cutmix_alpha, 1.0);
  EXPECT_EQ(base.mask.schedule.shape, CutoffShape::kLinear);
  EXPECT_EQ(base.mask.schedule.cutoff_epochs, 25.0);
  const RunConfig tuned = read("finetune_large_384_in21k.toml");
  EXPECT_EQ(tuned.optim.lr_peak, 3.5e-5);
  EXPECT_EQ(tuned.train.batch, 512);
  EXPECT_EQ(tuned.model.spec.height, 384);
  EXPECT_EQ(tuned.mixup.mixup_alpha, 0.0);
}

RunConfig read_visionllama(const char* name) {
  Config config = Config::load(fs::path(CONOPA_SOURCE_DIR) / "recipes/visionllama" / name);
  return RunConfig::from(config);
}

TEST(RecipesTest, PlainVisionLlamaFollowsThePublishedScript) {
  const RunConfig base = read_visionllama("plain_base.toml");
  EXPECT_EQ(base.model.spec.height, 192);
  EXPECT_EQ(base.model.spec.rope_anchor, 224);
  EXPECT_EQ(base.model.spec.drop_path, 0.2);
  EXPECT_EQ(base.model.spec.drop_path_shape, arch::DropShape::kConstant);
  EXPECT_EQ(base.train.epochs, 800);
  EXPECT_EQ(base.train.batch, 2048);
  EXPECT_EQ(base.train.loss, tasks::ClassifyLoss::kBce);
  EXPECT_EQ(base.optim.optimizer, OptimizerKind::kLamb);
  EXPECT_EQ(base.optim.schedule, LrMode::kEpochLagged);
  EXPECT_EQ(base.optim.lr_peak, 3e-3);
  EXPECT_EQ(base.optim.clip_grad, 1.0);
  EXPECT_EQ(base.sampler.order, data::SampleOrder::kRepeated);
  EXPECT_TRUE(base.augment.three_augment);
  EXPECT_EQ(base.augment.erase_prob, 0.0);
  EXPECT_EQ(read_visionllama("plain_small.toml").optim.lr_peak, 4e-3);
  EXPECT_EQ(read_visionllama("plain_large.toml").model.spec.width, 160);
}

TEST(RecipesTest, PlainVisionLlamaIsFineTunedFlatUnderTheSameRotation) {
  const RunConfig large = read_visionllama("finetune_large_224.toml");
  EXPECT_EQ(large.model.spec.height, 224);
  EXPECT_EQ(large.model.spec.rope_anchor, 224);
  EXPECT_EQ(large.model.spec.drop_path, 0.45);
  EXPECT_EQ(large.optim.optimizer, OptimizerKind::kAdamW);
  EXPECT_EQ(large.optim.lr_peak, large.optim.lr_final);
  EXPECT_EQ(large.optim.weight_decay, 0.1);
  EXPECT_EQ(large.train.epochs, 20);
  EXPECT_EQ(large.train.loss, tasks::ClassifyLoss::kCrossEntropy);
  EXPECT_EQ(large.mixup.label_smoothing, 0.1);
  EXPECT_EQ(large.sampler.order, data::SampleOrder::kShuffled);
  EXPECT_FALSE(large.augment.three_augment);
  EXPECT_EQ(large.augment.erase_prob, 0.25);
  EXPECT_EQ(read_visionllama("finetune_base_224.toml").augment.erase_prob, 0.0);
}

TEST(RecipesTest, PyramidVisionLlamaFollowsThePublishedScript) {
  const RunConfig large = read_visionllama("pyramid_large.toml");
  EXPECT_EQ(large.model.spec.stage_dims.back(), 1024);
  EXPECT_EQ(large.model.spec.drop_path, 0.5);
  EXPECT_EQ(large.model.spec.drop_path_shape, arch::DropShape::kLinear);
  EXPECT_EQ(large.train.epochs, 300);
  EXPECT_EQ(large.train.batch, 1024);
  EXPECT_EQ(large.optim.lr_peak, 1e-3);
  EXPECT_EQ(large.optim.clip_grad, 0.0);
  EXPECT_EQ(large.sampler.order, data::SampleOrder::kShuffled);
  EXPECT_EQ(large.augment.erase_prob, 0.25);
  EXPECT_EQ(large.train.on_nonfinite, OnNonfinite::kSkip);
}

TEST(RecipesTest, HeadersSayHowToRunAndWhatToExpect) {
  for (const fs::path& path : recipes()) {
    std::ifstream file(path);
    std::string text((std::istreambuf_iterator<char>(file)), {});
    if (text.find("Not a recipe by itself") != std::string::npos) continue;
    EXPECT_THAT(text, testing::HasSubstr("conopa train recipes/")) << path;
    EXPECT_THAT(text, testing::HasSubstr("Expected")) << path;
  }
}

}  // namespace
}  // namespace conopa::train
