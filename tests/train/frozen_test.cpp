// Fine-tuning with most of the model frozen: attentive probes and low-rank branches.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/core/log.h"
#include "conopa/io/model_folder.h"
#include "conopa/report/metrics_log.h"
#include "tests/train/toy.h"

namespace conopa::train {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

RunResult run(const RunConfig& config) {
  Trainer trainer(config, toy_parts(), {});
  return trainer.run();
}

/// A pre-trained stand-in: a model trained to tell the quadrants, and runs that begin with it.
class FrozenTest : public ::testing::Test {
 protected:
  FrozenTest() {
    RunConfig config = toy_config(folder_ / "base");
    config.train.epochs = 30;
    config.optim.lr_peak = 1e-2;
    static_cast<void>(run(config));
  }
  [[nodiscard]] RunConfig tuning(const std::string& name) const {
    RunConfig config = toy_config(folder_ / name);
    config.train.init_from = (folder_ / "base/model").string();
    config.train.init_policy = InitPolicy::kPartial;
    config.train.epochs = 20;
    config.train.log_every = 1;
    config.optim.lr_peak = 1e-2;
    return config;
  }
  [[nodiscard]] double first_loss(const std::string& name) const {
    const auto events = report::read_metrics(folder_ / name / "metrics.jsonl");
    return events.front().values.front().second;
  }
  // Names of tensors of the run's model that are not those of the base.
  [[nodiscard]] std::vector<std::string> changed(const std::string& name) const {
    const ModelFolder before = open_model_folder(folder_ / "base/model");
    const ModelFolder after = open_model_folder(folder_ / name / "model");
    std::vector<std::string> out;
    for (const std::string& tensor : after.weights->names()) {
      if (!before.weights->contains(tensor) ||
          before.weights->read(tensor).to_f32() != after.weights->read(tensor).to_f32()) {
        out.push_back(tensor);
      }
    }
    return out;
  }

  TestFolder folder_;
};

TEST_F(FrozenTest, AnAttentionHeadLearnsOnAFrozenEncoder) {
  RunConfig config = tuning("probe");
  config.model.spec.read_out = arch::ReadOut::kAttention;
  config.model.spec.head_norm = arch::HeadNorm::kBatch;
  config.model.spec.head_bias = false;
  config.model.spec.pool_queries = 2;
  config.model.spec.read_blocks = {0, 1};
  config.train.trainable = Trainable::kHead;

  const RunResult result = run(config);

  EXPECT_GE(result.evaluation->value("top1"), 0.9);
  EXPECT_LT(result.evaluation->value("loss"), 0.5 * first_loss("probe"));
  EXPECT_THAT(changed("probe"), ::testing::UnorderedElementsAre(
                                    "head.queries", "head.k.weight", "head.v.weight", "head.weight",
                                    "head_norm.running_mean", "head_norm.running_var",
                                    "head_norm.num_batches_tracked"));
}

TEST_F(FrozenTest, LowRankBranchesLearnAndSayNoWarning) {
  RunConfig config = tuning("lora");
  config.model.spec.lora_rank = 2;
  config.train.trainable = Trainable::kLora;
  std::string log;
  set_log_sink([&log](LogLevel level, std::string_view line) {
    log += level >= LogLevel::kWarning ? "warning: " : "";
    log += std::string(line) + "\n";
  });

  const RunResult result = run(config);

  set_log_sink({});
  EXPECT_THAT(log, HasSubstr("8 tensors of LoRA branches and head start fresh"));
  EXPECT_THAT(log, Not(HasSubstr("warning")));
  EXPECT_GE(result.evaluation->value("top1"), 0.95);
  for (const std::string& name : changed("lora")) {
    EXPECT_TRUE(name.starts_with("head.") || arch::names::is_lora(name)) << name;
  }
  EXPECT_EQ(changed("lora").size(), 10U);
}

TEST_F(FrozenTest, ATensorOfTheEncoderThatIsMissingIsAWarning) {
  RunConfig config = tuning("lora");
  config.model.spec.lora_rank = 2;
  config.model.spec.depth = 3;
  config.train.trainable = Trainable::kLora;
  config.train.epochs = 1;
  std::string log;
  set_log_sink([&log](LogLevel level, std::string_view line) {
    if (level >= LogLevel::kWarning) log += std::string(line) + "\n";
  });

  static_cast<void>(run(config));

  set_log_sink({});
  EXPECT_THAT(log, HasSubstr("missing"));
}

}  // namespace
}  // namespace conopa::train
