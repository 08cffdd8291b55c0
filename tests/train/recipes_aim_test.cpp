// Recipes of autoregressive pre-training, and which tasks fit which decoders.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "conopa/core/config.h"
#include "conopa/core/error.h"
#include "conopa/train/options.h"

namespace conopa::train {
namespace {

RunConfig read(const std::string& name) {
  Config config =
      Config::load(std::filesystem::path(CONOPA_SOURCE_DIR) / "recipes/aim" / (name + ".toml"));
  RunConfig run = RunConfig::from(config);
  run.resolve(10);
  return run;
}

std::string refusal(const std::string& preset, const std::string& task) {
  try {
    Config config = Config::parse("[data]\npath = \"x\"\n[model]\npreset = \"" + preset +
                                      "\"\n[train]\ntask = \"" + task + "\"\n",
                                  "run.toml");
    RunConfig::from(config).resolve(0);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(AimRecipesTest, FollowThePaper) {
  const RunConfig run = read("pretrain_600m");
  EXPECT_EQ(run.train.task, TaskKind::kAim);
  EXPECT_EQ(run.train.batch, 4096);
  EXPECT_EQ(run.optim.betas, (std::vector<double>{0.9, 0.95}));
  EXPECT_EQ(run.optim.weight_decay, 0.05);
  EXPECT_EQ(run.optim.clip_grad, 1.0);
  // 2.5 % of the run warms up.
  EXPECT_EQ(run.optim.warmup_epochs, 0.025 * static_cast<double>(run.train.epochs));
  EXPECT_EQ(run.model.spec.dim, 1536);
  EXPECT_EQ(run.model.spec.decoder_dim, 2048);
  EXPECT_EQ(run.model.spec.decoder_depth, 12);
}

TEST(AimRecipesTest, SmallRecipeFitsItsImages) {
  const RunConfig run = read("fmnist_pretrain");
  EXPECT_EQ(run.train.task, TaskKind::kAim);
  EXPECT_EQ(run.model.spec.num_patches(), 49);
  EXPECT_EQ(run.model.spec.mask, arch::Mask::kPrefixCausal);
  EXPECT_EQ(run.model.spec.patch_outputs(), 16);
  EXPECT_EQ(run.aim.order, arch::VisitOrder::kRaster);
}

TEST(TaskKindTest, DecodersAndTasksMustFit) {
  const std::string patches = "aim_tiny_patch14_224_pretrain";
  const std::string captions = "aimv2_tiny_patch14_224_pretrain";
  const std::string masked = "visionllama_base_patch16_mae_paper";
  EXPECT_EQ(refusal(patches, "aim"), "");
  EXPECT_EQ(refusal(captions, "aim"), "");
  EXPECT_EQ(refusal(masked, "mae"), "");
  EXPECT_THAT(refusal(patches, "mae"), testing::HasSubstr("train.task = \"aim\""));
  EXPECT_THAT(refusal(captions, "classify"), testing::HasSubstr("train.task = \"aim\""));
  EXPECT_THAT(refusal(masked, "aim"), testing::HasSubstr("train.task = \"mae\""));
  EXPECT_THAT(refusal("vit_tiny_patch16_224", "aim"),
              testing::HasSubstr("model.decoder = \"next_patch\" or \"caption\""));
}

}  // namespace
}  // namespace conopa::train
