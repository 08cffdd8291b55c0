// A whole run on point clouds: it learns, and its files are those of any run.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "conopa/arch/registry.h"
#include "conopa/points/solids.h"
#include "conopa/train/trainer.h"
#include "tests/io/temp_dir.h"

namespace conopa::train {
namespace {

// Spheres, rings and springs: solids that few points tell apart.
data::OpenedDataset solids(std::int64_t clouds, std::int64_t split) {
  const points::CloudSet all = points::make_solids(
      {.clouds = clouds, .points = 64, .noise = 0.0, .cut = 0.0, .split = split});
  constexpr std::array<std::int64_t, 3> kKinds{0, 4, 9};
  points::CloudSet set{.name = "three solids",
                       .points = HostTensor::zeros(DType::kF32, {3 * clouds / 10, 64, 3}),
                       .labels = {},
                       .class_names = {"sphere", "ring", "spring"}};
  auto target = set.points.mutable_data<float>().begin();
  for (std::int64_t i = 0; i < all.size(); ++i) {
    const auto kind = std::ranges::find(kKinds, all.labels[static_cast<std::size_t>(i)]);
    if (kind == kKinds.end()) continue;
    target = std::ranges::copy(all.cloud(i), target).out;
    set.labels.push_back(kind - kKinds.begin());
  }
  return {.dataset = std::make_shared<tasks::CloudDataset>(set),
          .broken = std::make_shared<data::BrokenFiles>(),
          .split = split == 0 ? "train" : "test"};
}

RunConfig small_config(const std::filesystem::path& folder) {
  RunConfig config;
  arch::EncoderSpec& spec = config.model.spec;
  spec = arch::preset_spec("point_bert_small");
  spec.dim = 32;
  spec.heads = 2;
  spec.depth = 1;
  spec.width = 8;
  spec.drop_path = 0.0;
  spec.point.count = 64;
  spec.point.group = 12;
  spec.point.width = 32;
  spec.head_hidden = 32;
  spec.head_dropout = 0.0;
  config.classes_from_data = true;
  config.augment.height = config.eval_transform.height = 1;
  config.augment.width = config.eval_transform.width = spec.width;
  config.data.path = "solids";
  config.train.task = TaskKind::kPoints;
  config.train.epochs = 10;
  config.train.batch = 20;
  config.train.precision = nn::Precision::kFp32;
  config.train.workers = 0;
  config.train.eval_every = 0;
  config.optim.lr_peak = 2e-3;
  config.points.clouds.augment = {.scale = 1.1, .shift = 0.05};
  config.output.dir = folder;
  config.output.tensorboard = false;
  config.output.samples = 2;
  return config;
}

TEST(PointsTrainingTest, LearnsSolids) {
  const testing::TempDir dir;
  Trainer trainer(small_config(dir / "run"), {.train = solids(400, 0), .eval = solids(200, 1)}, {});
  const RunResult result = trainer.run();
  EXPECT_EQ(result.status, RunStatus::kFinished);
  EXPECT_GT(result.evaluation->value("top1"), 0.7);  // chance is a third
  EXPECT_TRUE(std::filesystem::exists(dir / "run/model/model.safetensors"));
  EXPECT_TRUE(std::filesystem::exists(dir / "run/report.html"));
}

}  // namespace
}  // namespace conopa::train
