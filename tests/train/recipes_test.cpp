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
