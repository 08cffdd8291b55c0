// A resumed run writes the same bytes as an uninterrupted one, wherever it was stopped or killed.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "conopa/train/checkpoint.h"
#include "conopa/train/trainer.h"
#include "tests/train/toy.h"

namespace conopa::train {
namespace {

RunConfig plain(RunConfig config) { return config; }

// Everything that carries state from step to step.
RunConfig rich(RunConfig config) {
  config.mixup.mixup_alpha = 0.5;
  config.mixup.cutmix_alpha = 0.5;
  config.mixup.label_smoothing = 0.1;
  config.model.spec.drop_path = 0.2;
  config.mask.schedule = {
      .mode = MaskMode::kSoft, .shape = CutoffShape::kLinear, .rate = 1.0, .cutoff_epochs = 2.0};
  config.train.ema_decay = 0.9;
  config.train.accumulate = 2;
  config.train.checkpoint_blocks = true;
  config.train.save_every = 2;
  config.optim.clip_grad = 0.5;
  return config;
}

RunConfig two_threads(RunConfig config) {
  config = rich(std::move(config));
  config.train.threads = 2;
  config.train.workers = 2;
  config.train.precision = nn::Precision::kBf16;
  return config;
}

RunConfig lamb(RunConfig config) {
  config.optim.optimizer = OptimizerKind::kLamb;
  config.optim.schedule = LrMode::kEpochLagged;
  config.optim.clip_grad = 1.0;
  config.train.loss = tasks::ClassifyLoss::kBce;
  return config;
}

RunConfig lars_probe(RunConfig config) {
  config.optim.optimizer = OptimizerKind::kLars;
  config.optim.lr_peak = 6.4;
  config.train.trainable = Trainable::kHead;
  config.train.ema_decay = 0.9;
  return config;
}

RunConfig mae(RunConfig config) {
  config = as_mae(std::move(config));
  config.model.spec.drop_path = 0.2;
  config.model.spec.drop_path_branches = arch::DropBranches::kAttention;
  config.train.accumulate = 2;
  config.train.checkpoint_blocks = true;
  config.train.ema_decay = 0.9;
  config.optim.betas = {0.9, 0.95};
  return config;
}

// The lines of metrics.jsonl without what the clock decides.
std::string metrics_of(const std::filesystem::path& run_folder) {
  std::istringstream lines(read_bytes(run_folder / "metrics.jsonl"));
  std::string out;
  for (std::string line; std::getline(lines, line);) {
    auto event = nlohmann::ordered_json::parse(line);
    for (auto it = event.begin(); it != event.end();) {
      it = is_wall_clock(it.key()) ? event.erase(it) : std::next(it);
    }
    out += event.dump() + "\n";
  }
  return out;
}

void expect_equal_runs(const std::filesystem::path& a, const std::filesystem::path& b) {
  for (const char* name : {"model/model.safetensors", "model/config.json", "summary.csv",
                           "evaluation.json", "checkpoints/last/model.safetensors",
                           "checkpoints/last/training.safetensors", "checkpoints/last/state.json",
                           "checkpoints/best/model.safetensors", "checkpoints/best/state.json"}) {
    EXPECT_FALSE(read_bytes(a / name).empty()) << name;
    EXPECT_EQ(read_bytes(a / name), read_bytes(b / name)) << name;
  }
  EXPECT_EQ(metrics_of(a), metrics_of(b));
}

struct Case {
  const char* name;
  RunConfig (*change)(RunConfig);
  int calls;  // times the run asks whether to stop before it is told so
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name << " after " << c.calls; }

class ResumeTest : public testing::TestWithParam<Case> {};

TEST_P(ResumeTest, WritesTheSameBytesAsAnUninterruptedRun) {
  const TestFolder folder;
  const RunConfig straight = GetParam().change(toy_config(folder / "straight"));
  static_cast<void>(Trainer(straight, toy_parts(), {}).run());

  const RunConfig config = GetParam().change(toy_config(folder / "resumed"));
  int sessions = 0;
  for (RunStatus status = RunStatus::kInterrupted; status == RunStatus::kInterrupted; ++sessions) {
    ASSERT_LT(sessions, 20);
    RunOptions options;
    options.resume = Resume::kAuto;
    int calls = 0;
    options.stop = [&calls] { return ++calls == GetParam().calls; };
    status = Trainer(config, toy_parts(), options).run().status;
  }
  EXPECT_GT(sessions, 1);
  expect_equal_runs(folder / "straight", folder / "resumed");
}

INSTANTIATE_TEST_SUITE_P(Stops, ResumeTest,
                         testing::Values(Case{"plain", plain, 3}, Case{"plain", plain, 6},
                                         Case{"plain", plain, 7}, Case{"plain", plain, 8},
                                         Case{"plain", plain, 11}, Case{"rich", rich, 4},
                                         Case{"rich", rich, 5}, Case{"rich", rich, 9},
                                         Case{"two threads", two_threads, 5}, Case{"lamb", lamb, 9},
                                         Case{"lars probe", lars_probe, 9}, Case{"mae", mae, 3},
                                         Case{"mae", mae, 9}));

// Training happens in child processes only: one that was forked after OpenMP started would hang.
pid_t start(const RunConfig& config) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  int code = 1;
  try {
    RunOptions options;
    options.resume = Resume::kAuto;
    code = Trainer(config, toy_parts(), options).run().status == RunStatus::kFinished ? 0 : 2;
  } catch (const std::exception&) {
    code = 3;
  }
  ::_exit(code);
}

TEST(KillTest, LosesNothingBeforeTheLastCheckpoint) {
  const TestFolder folder;
  RunConfig config = rich(toy_config(folder / "straight"));
  config.train.save_steps = 1;
  int status = 0;
  ::waitpid(start(config), &status, 0);
  ASSERT_EQ(status, 0);

  config.output.dir = (folder / "killed").string();
  int kills = 0;
  for (int delay_ms = 20;; delay_ms += 15) {
    ASSERT_LT(kills, 60);
    const pid_t child = start(config);
    std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms));
    ::kill(child, SIGKILL);
    ::waitpid(child, &status, 0);
    if (WIFEXITED(status)) {
      ASSERT_EQ(WEXITSTATUS(status), 0);
      break;
    }
    ++kills;
    if (std::filesystem::exists(folder / "killed/checkpoints/last")) {
      EXPECT_NO_THROW(static_cast<void>(open_train_checkpoint(folder / "killed/checkpoints/last")));
    }
  }
  EXPECT_GT(kills, 0);
  expect_equal_runs(folder / "straight", folder / "killed");
}

}  // namespace
}  // namespace conopa::train
