#include "train/step_runner.h"

#include <ATen/TensorOperators.h>

#include <chrono>
#include <cmath>
#include <optional>
#include <utility>

#include "conopa/core/error.h"
#include "conopa/train/gradients.h"

namespace conopa::train {

StepRunner::StepRunner(tasks::Task& task, Optimizer& optimizer, WeightAverage* average,
                       const RunConfig& config)
    : task_(task), optimizer_(optimizer), average_(average), config_(config) {}

at::Tensor StepRunner::accumulate(data::Loader& loader, const StepPlan& plan) {
  const TrainOptions& train = config_.train;
  const auto parts = static_cast<double>(train.accumulate);
  tasks::StepContext context{.epoch = plan.epoch,
                             .exec = {.precision = train.precision, .ops = train.ops},
                             .mask_rate = plan.mask_rate,
                             .drop_path = plan.drop_path,
                             .random = {.seed = static_cast<std::uint64_t>(train.seed), .step = 0},
                             .checkpoint_blocks = train.checkpoint_blocks};
  at::Tensor total;
  for (std::int64_t i = 0; i < train.accumulate; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const std::optional<data::Batch> batch = loader.next();
    wait_s_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    CONOPA_ASSERT(batch.has_value());  // the epoch's length was counted by the same loader
    context.random.step = static_cast<std::uint64_t>(plan.step * train.accumulate + i);
    at::Tensor loss = task_.loss(*batch, context).loss;
    if (train.accumulate > 1) loss = loss / parts;
    loss.backward();
    const at::Tensor value = loss.detach().to(at::kDouble);
    total = total.defined() ? total + value : value;
  }
  return total;
}

StepResult StepRunner::run(data::Loader& loader, const StepPlan& plan) {
  nn::Parameters& parameters = task_.parameters();
  parameters.zero_grad();
  StepResult result;
  result.loss = accumulate(loader, plan);
  result.grad_norm = gradient_norm(parameters, config_.train.ops);
  const double max_norm = config_.optim.clip_grad;
  const bool look =
      parameters.device().is_cpu() || config_.train.on_nonfinite == OnNonfinite::kSkip;
  if (look) {
    const double norm = result.grad_norm.item<double>();
    result.applied = std::isfinite(norm) && std::isfinite(result.loss.item<double>());
    if (!result.applied) return result;
    optimizer_.step(plan.lr, plan.weight_decay, clip_factor(norm, max_norm));
  } else {
    if (max_norm > 0.0) clip_gradients(parameters, result.grad_norm, max_norm);
    optimizer_.step(plan.lr, plan.weight_decay);
  }
  if (average_ != nullptr) average_->update();
  return result;
}

double StepRunner::take_wait_s() noexcept { return std::exchange(wait_s_, 0.0); }

}  // namespace conopa::train
