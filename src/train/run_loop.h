#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "conopa/train/checkpoint.h"
#include "conopa/train/trainer.h"
#include "train/checkpointer.h"
#include "train/run_clock.h"
#include "train/run_display.h"
#include "train/run_log.h"
#include "train/step_runner.h"

namespace conopa::train {

/// What a Trainer has built; all by reference.
struct RunObjects {
  const RunConfig& config;
  const RunParts& parts;
  const RunOptions& options;
  tasks::Task& task;
  const std::optional<llm::FrozenRecord>& language;
  data::Loader& train_loader;
  data::Loader& eval_loader;
  std::int64_t threads = 1;
};

/// One session of a run: from an empty folder or a checkpoint to the end or a stop.
class RunLoop {
 public:
  explicit RunLoop(const RunObjects& objects);

  [[nodiscard]] RunResult run();

 private:
  enum class Verdict { kGoOn, kStop };
  struct EvaluationPlan {
    double mask_rate = 0.0;
    std::int64_t samples = 0;
    bool averaged = true;  ///< use the average of weights if there is one
  };

  [[nodiscard]] TrainState open_folder();
  [[nodiscard]] Verdict train_epoch();
  [[nodiscard]] Verdict close_epoch();
  [[nodiscard]] Verdict finish();
  [[nodiscard]] StepPlan plan_of(std::int64_t step) const;
  [[nodiscard]] double mask_rate() const;
  void begin_epoch(std::int64_t epoch, std::int64_t step);
  void account(const StepPlan& plan, const StepResult& result);
  void drain();
  void judge_nonfinite(std::int64_t step, double loss);
  void log_interval(const StepPlan& plan);
  void save();
  [[nodiscard]] bool stop_now();
  [[nodiscard]] bool evaluation_due() const;
  [[nodiscard]] tasks::Evaluation evaluate(const EvaluationPlan& plan);
  [[nodiscard]] bool record(const std::optional<tasks::Evaluation>& evaluation);
  [[nodiscard]] RunResult result(RunStatus status) const;

  const RunObjects objects_;
  const RunConfig& config_;
  const RunOptions& options_;
  tasks::Task& task_;
  std::int64_t steps_per_epoch_;
  std::vector<double> lr_, decay_, mask_, drop_;
  RunClock clock_;
  RunFolder folder_;
  std::unique_ptr<Optimizer> optimizer_;
  std::optional<WeightAverage> average_;
  StepRunner runner_;
  Checkpointer checkpointer_;
  TrainState state_;
  std::optional<RunLog> log_;
  RunDisplay display_;
  std::vector<at::Tensor> pending_;  // losses on a device, not looked at yet
  at::Tensor grad_norm_;             // of the last step
  std::int64_t loader_epoch_ = -1;   // the epoch the loader has been sent into
  std::optional<tasks::Evaluation> evaluation_;
  RunStatus stop_status_ = RunStatus::kInterrupted;
};

}  // namespace conopa::train
