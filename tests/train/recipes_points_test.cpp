// Recipes of point clouds, and which models the task takes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "conopa/core/config.h"
#include "conopa/core/error.h"
#include "conopa/train/optimizer.h"
#include "conopa/train/options.h"

namespace conopa::train {
namespace {

using testing::HasSubstr;

RunConfig read(const std::string& name, std::int64_t classes) {
  // The published recipes leave it to the user where the weights of the block come from.
  const std::vector<std::string> start{"train.init_from=start", "llm.mode=none", "llm.source="};
  Config config = Config::load(
      std::filesystem::path(CONOPA_SOURCE_DIR) / "recipes/lm4v" / (name + ".toml"), start);
  RunConfig run = RunConfig::from(config);
  run.resolve(classes);
  return run;
}

std::string refusal(const std::string& preset, const std::string& task) {
  try {
    Config config = Config::parse("[data]\npath = \"x\"\n[model]\npreset = \"" + preset +
                                      "\"\n[train]\ntask = \"" + task + "\"\n",
                                  "run.toml");
    RunConfig::from(config).resolve(10);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(PointRecipesTest, FollowThePaper) {
  for (const char* name : {"points_scanobjectnn", "points_modelnet40"}) {
    const RunConfig run = read(name, 15);
    EXPECT_EQ(run.train.task, TaskKind::kPoints);
    EXPECT_EQ(run.train.batch, 32);
    EXPECT_EQ(run.train.epochs, 301);
    EXPECT_EQ(run.optim.lr_peak, 5e-4);
    EXPECT_EQ(run.optim.lr_final, 1e-6);
    EXPECT_EQ(run.optim.warmup_epochs, 10.0);
    EXPECT_EQ(run.optim.clip_grad, 10.0);
    EXPECT_EQ(run.output.model, ModelChoice::kBest);
    EXPECT_EQ(run.model.spec.dim, 384);
    EXPECT_EQ(run.model.spec.llm.unit, arch::LanguageUnit::kBlock);
    EXPECT_EQ(run.model.spec.point.rule, arch::CentreRule::kReleased);
    EXPECT_EQ(run.model.spec.num_classes, 15);
  }
  EXPECT_EQ(read("points_scanobjectnn", 15).points.clouds.format, tasks::CloudFormat::kScanObject);
  EXPECT_EQ(read("points_modelnet40", 40).points.clouds.format, tasks::CloudFormat::kModelNet);
}

TEST(PointRecipesTest, TheirOptimiserHasTheGroupsOfTheReleasedCode) {
  RunConfig run = read("points_scanobjectnn", 15);
  arch::EncoderSpec spec = run.model.spec;
  spec.dim = 24;
  spec.heads = 2;
  spec.depth = 1;
  spec.mlp_hidden = 0;
  spec.llm.after = -1;
  spec.llm.dim = 16;
  spec.llm.heads = 2;
  spec.llm.hidden = 32;
  spec.resolve();
  nn::Parameters parameters{arch::TensorTable(spec)};
  const auto optimizer = make_optimizer(parameters, run.optim);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const std::string& name = parameters.table().entries()[i].name;
    if (name == "llm.mapper1.weight") {
      EXPECT_EQ(optimizer->lr_factor(i), 0.5);
    }
    if (name == "blocks.0.attn.qkv.weight") {
      EXPECT_EQ(optimizer->lr_factor(i), 1.0);
    }
    if (name == "point_embed.conv1.weight") {
      EXPECT_EQ(optimizer->lr_factor(i), 1.0);
    }
    if (name == "point_embed.conv1.bias" || name == "cls_pos" || name == "norm.weight") {
      EXPECT_EQ(optimizer->lr_factor(i), 0.1) << name;
    }
  }
}

TEST(PointRecipesTest, SmallRecipeFitsTheMadeClouds) {
  const RunConfig run = read("points_small", 10);
  EXPECT_EQ(run.model.spec.num_classes, 10);
  EXPECT_EQ(run.points.clouds.pool_size(run.model.spec.point.count, 320), 300);
}

TEST(PointTaskTest, ModelsAndTasksMustFit) {
  EXPECT_EQ(refusal("point_bert_small", "points"), "");
  EXPECT_THAT(refusal("point_bert_small", "classify"),
              HasSubstr("input = \"points\" needs task = \"points\", got \"classify\""));
  EXPECT_THAT(refusal("vit_tiny_patch16_224", "points"),
              HasSubstr("task = \"points\" needs a model with input = \"points\", got \"image\""));
}

}  // namespace
}  // namespace conopa::train
