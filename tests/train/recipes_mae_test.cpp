// Recipes of masked pre-training fit the published table and each other.

#include <gtest/gtest.h>

#include <filesystem>

#include "conopa/arch/tensor_table.h"
#include "conopa/core/config.h"
#include "conopa/train/options.h"

namespace conopa::train {
namespace {

constexpr std::int64_t kClasses = 10;

RunConfig read(const std::string& name) {
  Config config = Config::load(std::filesystem::path(CONOPA_SOURCE_DIR) / "recipes/visionllama" /
                               (name + ".toml"));
  RunConfig run = RunConfig::from(config);
  run.resolve(kClasses);
  return run;
}

TEST(MaeRecipesTest, FollowThePublishedTable) {
  const RunConfig base = read("mae_base_800");
  EXPECT_EQ(base.train.task, TaskKind::kMae);
  EXPECT_EQ(base.train.epochs, 800);
  EXPECT_EQ(base.train.batch, 4096);
  EXPECT_EQ(base.optim.betas, (std::vector<double>{0.9, 0.95}));
  EXPECT_EQ(base.model.spec.mlp_hidden, 8192);
  EXPECT_EQ(base.model.spec.num_classes, 0);
  EXPECT_EQ(base.mixup.label_smoothing, 0.0);
  EXPECT_EQ(read("mae_base_800_paper").model.spec.mlp_hidden, 2048);
  EXPECT_EQ(read("mae_base_1600").train.epochs, 1600);
  EXPECT_EQ(read("mae_base_1600_paper").model.spec.mlp_hidden, 2048);
  const RunConfig large = read("mae_large_800");
  EXPECT_EQ(large.model.spec.mlp_hidden, 11008);
  EXPECT_EQ(large.train.batch, 2048);
  EXPECT_EQ(large.optim.lr_peak, 2.4e-3);
  const RunConfig tuned = read("finetune_large");
  EXPECT_EQ(tuned.optim.layer_decay, 0.45);
  EXPECT_EQ(tuned.optim.lr_peak, 4e-3);
  EXPECT_EQ(tuned.model.spec.drop_path, 0.2);
  EXPECT_EQ(read("probe_base").optim.optimizer, OptimizerKind::kLars);
}

struct Pair {
  const char* pretraining;
  const char* classifier;
};

void PrintTo(const Pair& pair, std::ostream* out) { *out << pair.classifier; }

class MaeRecipePairTest : public testing::TestWithParam<Pair> {};

TEST_P(MaeRecipePairTest, TheClassifierTakesItsEncoderFromThePretraining) {
  const RunConfig pretraining = read(GetParam().pretraining);
  const RunConfig classifier = read(GetParam().classifier);
  const arch::TensorTable source(pretraining.model.spec);
  const arch::TensorTable table(classifier.model.spec);
  EXPECT_EQ(classifier.train.init_policy, InitPolicy::kPartial);
  EXPECT_EQ(classifier.model.spec.num_classes, kClasses);
  for (const arch::TensorEntry& entry : table.entries()) {
    if (entry.name.starts_with("head")) continue;
    const arch::TensorEntry* theirs = source.find(entry.name);
    ASSERT_NE(theirs, nullptr) << entry.name;
    EXPECT_EQ(theirs->shape, entry.shape) << entry.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Recipes, MaeRecipePairTest,
                         testing::Values(Pair{"mae_base_800", "finetune_base"},
                                         Pair{"mae_base_1600", "probe_base"},
                                         Pair{"mae_large_800", "finetune_large"},
                                         Pair{"fmnist_mae", "fmnist_finetune"},
                                         Pair{"fmnist_mae", "fmnist_probe"}));

}  // namespace
}  // namespace conopa::train
