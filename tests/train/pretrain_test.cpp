// From masked pre-training over fine-tuning to a linear probe, on a toy.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "conopa/core/error.h"
#include "conopa/core/log.h"
#include "conopa/io/model_folder.h"
#include "conopa/nn/convert.h"
#include "conopa/report/metrics_log.h"
#include "conopa/train/initial_weights.h"
#include "conopa/train/trainer.h"
#include "tests/train/toy.h"

namespace conopa::train {
namespace {

using testing::HasSubstr;
using testing::Not;

RunConfig mae_config(const std::filesystem::path& folder, arch::ClassToken token) {
  RunConfig config = toy_mae_config(folder);
  config.model.spec.class_token = token;
  config.train.epochs = 40;
  config.optim.lr_peak = 1e-2;
  return config;
}

RunConfig finetune_config(const std::filesystem::path& folder, const std::filesystem::path& from) {
  RunConfig config = toy_mae_config(folder);
  config.train.task = TaskKind::kClassify;
  config.model.spec.decoder = arch::Decoder::kNone;
  config.model.spec.class_token = arch::ClassToken::kNone;
  config.model.spec.read_out = arch::ReadOut::kMeanNorm;
  config.model.spec.head_init_std = 2e-5;
  config.train.init_from = from.string();
  config.train.init_policy = InitPolicy::kPartial;
  return config;
}

RunConfig probe_config(const std::filesystem::path& folder, const std::filesystem::path& from) {
  RunConfig config = finetune_config(folder, from);
  config.model.spec.head_norm = arch::HeadNorm::kBatch;
  config.train.trainable = Trainable::kHead;
  config.train.epochs = 20;
  config.optim.lr_peak = 0.05;
  return config;
}

class LoggedLines {
 public:
  LoggedLines() {
    set_log_sink([this](LogLevel, std::string_view line) { text_ += std::string(line) + "\n"; });
  }
  ~LoggedLines() { set_log_sink({}); }
  LoggedLines(const LoggedLines&) = delete;
  LoggedLines& operator=(const LoggedLines&) = delete;
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

TEST(PretrainTest, TheLossFallsAndTheFolderIsWhole) {
  const TestFolder folder;
  RunConfig config = mae_config(folder / "mae", arch::ClassToken::kLate);
  const RunResult result = Trainer(config, toy_parts(), {}).run();
  ASSERT_EQ(result.status, RunStatus::kFinished);
  const auto events = report::read_metrics(folder / "mae/metrics.jsonl");
  double first = 0.0;
  for (const report::MetricEvent& event : events) {
    if (event.split == "eval" && first == 0.0) first = event.values.at(0).second;
  }
  EXPECT_LT(result.evaluation->value("loss"), 0.75 * first);
  EXPECT_LE(result.best, result.evaluation->value("loss"));
  const auto json = nlohmann::json::parse(read_bytes(folder / "mae/evaluation.json"));
  EXPECT_EQ(json["primary"], "loss");
  EXPECT_EQ(json["loss"].get<double>(), result.evaluation->value("loss"));
  EXPECT_THAT(read_bytes(folder / "mae/report.html"), HasSubstr("Reconstructions"));
  EXPECT_THAT(read_bytes(folder / "mae/summary.csv"), HasSubstr("eval_loss"));
  const std::string card = read_bytes(folder / "mae/model/README.md");
  EXPECT_THAT(card, HasSubstr("masked-autoencoder"));
  EXPECT_THAT(card, HasSubstr("train.init_from=MODEL_FOLDER"));
  EXPECT_THAT(card, Not(HasSubstr("accuracy")));
  EXPECT_THAT(card, Not(HasSubstr("classes")));
}

TEST(PretrainTest, TheNumberOfWorkersPlaysNoPart) {
  const TestFolder folder;
  RunConfig config = mae_config(folder / "a", arch::ClassToken::kNone);
  config.train.epochs = 1;
  config.train.accumulate = 2;
  static_cast<void>(Trainer(config, toy_parts(), {}).run());
  config.output.dir = (folder / "b").string();
  config.train.workers = 0;
  static_cast<void>(Trainer(config, toy_parts(), {}).run());
  EXPECT_EQ(read_bytes(folder / "a/model/model.safetensors"),
            read_bytes(folder / "b/model/model.safetensors"));
  // No head, so no names of classes either.
  const ModelFolder model = open_model_folder(folder / "a/model");
  EXPECT_EQ(model.weights->metadata().at("class_names"), "[]");
}

class ChainTest : public testing::TestWithParam<arch::ClassToken> {};

TEST_P(ChainTest, PretrainedWeightsServeFineTuningAndProbing) {
  const TestFolder folder;
  RunConfig pretraining = mae_config(folder / "mae", GetParam());
  static_cast<void>(Trainer(pretraining, toy_parts(), {}).run());
  const std::filesystem::path weights = folder / "mae/model";
  const ModelFolder source = open_model_folder(weights);

  std::string log;
  {
    const LoggedLines lines;
    Trainer trainer(finetune_config(folder / "fine", weights), toy_parts(), {});
    log = lines.text();
    const nn::Parameters& parameters = trainer.task().parameters();
    const auto same = [&](const std::string& name) {
      return nn::to_host(parameters.require(name)).to_f32() == source.weights->read(name).to_f32();
    };
    EXPECT_TRUE(same(arch::names::block(1, arch::names::kQkv) + ".weight"));
    EXPECT_TRUE(same(std::string(arch::names::kPatchWeight)));
    // The norm of the mean is another layer than the norm of the decoder's tokens.
    const std::string norm = std::string(arch::names::kFinalNorm) + ".weight";
    EXPECT_FALSE(same(norm));
    EXPECT_EQ(nn::to_host(parameters.require(norm)).to_f32(), std::vector<float>(16, 1.0F));
    EXPECT_EQ(trainer.run().status, RunStatus::kFinished);
  }
  EXPECT_THAT(log, HasSubstr("4 missing (norm.weight, norm.bias, head.weight"));
  EXPECT_THAT(log,
              HasSubstr("left out (" +
                        std::string(GetParam() == arch::ClassToken::kNone ? "" : "cls_token, ") +
                        "decoder, norm)"));
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 1);

  const RunResult probe = Trainer(probe_config(folder / "probe", weights), toy_parts(), {}).run();
  EXPECT_GT(probe.evaluation->value("top1"), 0.5);  // four classes
  const ModelFolder probed = open_model_folder(folder / "probe/model");
  const std::string qkv = arch::names::block(0, arch::names::kQkv) + ".weight";
  EXPECT_EQ(probed.weights->read(qkv).to_f32(), source.weights->read(qkv).to_f32());
}

INSTANTIATE_TEST_SUITE_P(ClassTokens, ChainTest,
                         testing::Values(arch::ClassToken::kNone, arch::ClassToken::kLate));

TEST(PretrainTest, StrictRefusesAnAutoencoderForAClassifier) {
  const TestFolder folder;
  RunConfig pretraining = mae_config(folder / "mae", arch::ClassToken::kLate);
  pretraining.train.epochs = 1;
  static_cast<void>(Trainer(pretraining, toy_parts(), {}).run());
  RunConfig config = finetune_config(folder / "fine", folder / "mae/model");
  config.train.init_policy = InitPolicy::kStrict;
  EXPECT_THROW(Trainer(config, toy_parts(), {}), FormatError);
}

TEST(TaskOptionsTest, TaskAndModelMustFit) {
  const TestFolder folder;
  const auto message = [&](void (*change)(RunConfig&)) -> std::string {
    RunConfig config = toy_mae_config(folder / "run");
    change(config);
    try {
      const Trainer trainer(config, toy_parts(), {});
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(message([](RunConfig&) {}), "");
  EXPECT_THAT(message([](RunConfig& c) { c.train.task = TaskKind::kClassify; }),
              HasSubstr("set train.task = \"mae\""));
  EXPECT_THAT(message([](RunConfig& c) { c.model.spec.decoder = arch::Decoder::kNone; }),
              HasSubstr("set model.decoder = \"mae\""));
  EXPECT_THAT(message([](RunConfig& c) { c.mixup.mixup_alpha = 0.8; }),
              HasSubstr("belong to image classification"));
  EXPECT_THAT(message([](RunConfig& c) { c.mae.mask_ratio = 1.0; }), HasSubstr("below 1"));
  EXPECT_THAT(message([](RunConfig& c) { c.mae.mask_ratio = 0.99; }), HasSubstr("leaves 0"));
  EXPECT_THAT(message([](RunConfig& c) { c.train.trainable = Trainable::kHead; }),
              HasSubstr("needs a model with a head"));
}

}  // namespace
}  // namespace conopa::train
