#pragma once

#include <cstdint>
#include <optional>

#include "conopa/core/progress.h"
#include "conopa/tasks/task.h"
#include "conopa/train/trainer.h"

namespace conopa::train {

/// The progress line of a run; does nothing without a stream.
class RunDisplay {
 public:
  void start(const RunOptions& options, const TrainOptions& train, std::int64_t total_steps,
             std::int64_t first_step);
  /// @param epoch  from 0.
  void step(std::int64_t step, std::int64_t epoch, std::int64_t epochs);
  void loss(double loss, double lr);
  void evaluating(std::int64_t done, std::int64_t total);
  void evaluated(const tasks::Evaluation& evaluation);
  void finish();

 private:
  std::optional<Progress> progress_;
  std::int64_t step_ = 0;
  std::int64_t shown_epoch_ = -1;
};

}  // namespace conopa::train
