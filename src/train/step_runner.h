#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "conopa/data/loader.h"
#include "conopa/tasks/task.h"
#include "conopa/train/optimizer.h"
#include "conopa/train/options.h"
#include "conopa/train/weight_average.h"

namespace conopa::train {

/// What the schedules say about one optimiser step.
struct StepPlan {
  std::int64_t step = 0;
  std::int64_t epoch = 0;
  double lr = 0.0;
  double weight_decay = 0.0;
  double mask_rate = 0.0;
  double drop_path = 0.0;
};

struct StepResult {
  at::Tensor loss;       ///< float64 scalar on the model's device: mean over the micro-batches
  at::Tensor grad_norm;  ///< float64 scalar, before clipping
  bool applied = true;   ///< false: not finite, weights left alone
};

/// One optimiser step: micro-batches, gradients, clipping, update, average of weights.
///
/// On the CPU a loss or gradient that is not finite is noticed before the update. On other devices
/// looking at the numbers would stall the queue, so that happens only if steps are to be skipped;
/// otherwise the caller checks the returned scalars when it logs them, before it saves anything.
class StepRunner {
 public:
  /// All are kept by reference; `average` may be null.
  StepRunner(tasks::Task& task, Optimizer& optimizer, WeightAverage* average,
             const RunConfig& config);

  /// Takes the next `accumulate` micro-batches.
  [[nodiscard]] StepResult run(data::Loader& loader, const StepPlan& plan);

  /// Seconds spent waiting for the loader since the last call.
  [[nodiscard]] double take_wait_s() noexcept;

 private:
  [[nodiscard]] at::Tensor accumulate(data::Loader& loader, const StepPlan& plan);

  tasks::Task& task_;
  Optimizer& optimizer_;
  WeightAverage* average_;
  const RunConfig& config_;
  double wait_s_ = 0.0;
};

}  // namespace conopa::train
