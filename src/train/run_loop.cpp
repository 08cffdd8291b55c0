#include "train/run_loop.h"

#include <ATen/core/Tensor.h>
#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "conopa/core/error.h"
#include "conopa/core/log.h"
#include "train/run_setup.h"

namespace conopa::train {
namespace {

// Names that a head's outputs have; models without a head keep none.
std::vector<std::string> class_names(const arch::EncoderSpec& spec, const data::Dataset& dataset) {
  return spec.num_classes > 0 ? dataset.class_names() : std::vector<std::string>{};
}

std::optional<WeightAverage> make_average(tasks::Task& task, const TrainOptions& train) {
  if (train.ema_decay <= 0.0) return std::nullopt;
  return std::optional<WeightAverage>(
      std::in_place, task.parameters(),
      WeightAverage::Options{
          .decay = train.ema_decay, .warmup = train.ema_warmup, .ops = train.ops});
}

}  // namespace

RunLoop::RunLoop(const RunObjects& objects)
    : objects_(objects),
      config_(objects.config),
      options_(objects.options),
      task_(objects.task),
      steps_per_epoch_(objects.train_loader.steps_per_epoch() / config_.train.accumulate),
      lr_(lr_schedule(
          {.mode = config_.optim.schedule,
           .peak = config_.optim.lr_peak,
           .final = config_.optim.lr_final,
           .warmup = {.epochs = config_.optim.warmup_epochs, .start = config_.optim.lr_start}},
          config_.train.epochs, steps_per_epoch_)),
      decay_(cosine_schedule(config_.optim.weight_decay, config_.optim.weight_decay,
                             config_.train.epochs, steps_per_epoch_)),
      mask_(mask_schedule(config_.mask.schedule, config_.train.epochs, steps_per_epoch_)),
      drop_(drop_schedule({.mode = config_.drop_path.mode,
                           .shape = config_.drop_path.schedule,
                           .rate = config_.model.spec.drop_path,
                           .cutoff_epochs = config_.drop_path.cutoff_epochs},
                          config_.train.epochs, steps_per_epoch_)),
      clock_(options_, config_.train),
      folder_(config_.output.dir),
      optimizer_(make_optimizer(task_.parameters(), config_.optim, config_.train.ops)),
      average_(make_average(task_, config_.train)),
      runner_(task_, *optimizer_, average_ ? &*average_ : nullptr, config_),
      checkpointer_(folder_, config_, task_, *optimizer_, average_ ? &*average_ : nullptr,
                    class_names(task_.spec(), *objects.parts.train.dataset), objects.language) {}

TrainState RunLoop::open_folder() {
  const auto checkpoint = folder_.newest_checkpoint();
  const std::string where = folder_.root().string();
  if (options_.resume == Resume::kRequired && !checkpoint) {
    throw RunError(where, "there is no checkpoint to resume; start the run without resume");
  }
  if (options_.resume != Resume::kNever && checkpoint) {
    TrainState state = checkpointer_.restore(*checkpoint);
    if (state.threads != objects_.threads) {
      log_warning("the run had {} threads and has {} now: numbers may differ in the last digits",
                  state.threads, objects_.threads);
    }
    // A run killed between its two saves has not made `best` yet.
    const bool is_best =
        state.step_in_epoch == 0 && state.best_epoch >= 0 && state.best_epoch == state.epoch - 1;
    if (is_best && checkpoint->filename() == "last") checkpointer_.keep_best();
    log_info("resuming {} at epoch {}, step {}", where, state.epoch + 1, state.step);
    return state;
  }
  if (folder_.has_run()) {
    // Without a checkpoint there is nothing to lose that the new run would not write again.
    if (options_.resume == Resume::kNever && !options_.overwrite) {
      throw RunError(where,
                     "the folder holds a run already; resume it, allow overwriting or choose "
                     "another output.dir");
    }
    folder_.clear();
  }
  return {};
}

RunResult RunLoop::run() {
  state_ = open_folder();
  state_.threads = objects_.threads;
  folder_.describe(
      config_, options_.command,
      environment_facts(options_, task_.parameters().device().str(), objects_.threads));
  log_.emplace(
      folder_,
      RunLog::Position{.events = state_.events, .epochs = state_.epoch, .step = state_.step},
      config_.output.tensorboard, clock_.wall_time());
  display_.start(options_, config_.train, config_.train.epochs * steps_per_epoch_, state_.step);
  while (state_.epoch < config_.train.epochs) {
    if (train_epoch() == Verdict::kStop || close_epoch() == Verdict::kStop) {
      save();
      return result(stop_status_);
    }
    if (state_.epoch < config_.train.epochs && stop_now()) return result(stop_status_);
  }
  const bool whole = finish() == Verdict::kGoOn;
  return result(whole ? RunStatus::kFinished : stop_status_);
}

StepPlan RunLoop::plan_of(std::int64_t step) const {
  const auto i = static_cast<std::size_t>(step);
  return {.step = step,
          .epoch = step / steps_per_epoch_,
          .lr = lr_[i],
          .weight_decay = decay_[i],
          .mask_rate = mask_[i],
          .drop_path = drop_[i]};
}

double RunLoop::mask_rate() const {
  return state_.step > 0 ? plan_of(state_.step - 1).mask_rate : plan_of(0).mask_rate;
}

void RunLoop::begin_epoch(std::int64_t epoch, std::int64_t step) {
  if (loader_epoch_ == epoch) return;
  objects_.train_loader.begin_epoch(epoch, step * config_.train.accumulate);
  loader_epoch_ = epoch;
}

RunLoop::Verdict RunLoop::train_epoch() {
  const TrainOptions& train = config_.train;
  begin_epoch(state_.epoch, state_.step_in_epoch);
  clock_.restart_lap();
  while (state_.step_in_epoch < steps_per_epoch_) {
    const StepPlan plan = plan_of(state_.step);
    account(plan, runner_.run(objects_.train_loader, plan));
    ++state_.step;
    ++state_.step_in_epoch;
    display_.step(state_.step, state_.epoch, train.epochs);
    const bool last = state_.step_in_epoch == steps_per_epoch_;
    if (last || state_.step % train.log_every == 0) log_interval(plan);
    if (stop_now()) return Verdict::kStop;
    const bool by_steps = train.save_steps > 0 && state_.step % train.save_steps == 0;
    if (!last && (by_steps || clock_.save_is_due())) save();
  }
  return Verdict::kGoOn;
}

void RunLoop::account(const StepPlan& plan, const StepResult& result) {
  grad_norm_ = result.grad_norm;
  if (!result.applied) {
    judge_nonfinite(plan.step, result.loss.item<double>());
    return;
  }
  pending_.push_back(result.loss);
  const bool cheap = result.loss.device().is_cpu();
  if (cheap || config_.train.on_nonfinite == OnNonfinite::kSkip) drain();
}

// Looks at the losses so far; on a device this waits for it.
void RunLoop::drain() {
  for (const at::Tensor& loss : std::exchange(pending_, {})) {
    const double value = loss.item<double>();
    if (!std::isfinite(value)) judge_nonfinite(state_.step, value);
    state_.nonfinite_in_row = 0;
    state_.interval_loss += value;
    ++state_.interval_steps;
    state_.epoch_loss += value;
    ++state_.epoch_steps;
  }
}

void RunLoop::judge_nonfinite(std::int64_t step, double loss) {
  const std::string what =
      fmt::format("loss {} and gradient norm {} at step {}, epoch {}, learning rate {:.3g}", loss,
                  grad_norm_.item<double>(), step, state_.epoch + 1, plan_of(step).lr);
  if (config_.train.on_nonfinite == OnNonfinite::kStop) {
    throw RunError("train",
                   "{}: not finite; lower optim.lr_peak, set optim.clip_grad or "
                   "train.on_nonfinite = \"skip\"; earlier checkpoints are intact",
                   what);
  }
  ++state_.nonfinite;
  if (++state_.nonfinite_in_row >= config_.train.max_nonfinite) {
    throw RunError("train", "{}: not finite, like the {} steps before; lower optim.lr_peak", what,
                   state_.nonfinite_in_row - 1);
  }
  log_warning("step skipped: {}", what);
}

void RunLoop::log_interval(const StepPlan& plan) {
  drain();
  const double seconds = clock_.lap_s();
  const auto steps = static_cast<double>(state_.interval_steps);
  const double loss = state_.interval_loss / steps;
  const double images = steps * static_cast<double>(config_.train.batch);
  report::MetricEvent event{
      .step = state_.step,
      .epoch = state_.epoch,
      .wall_time = clock_.wall_time(),
      .split = "train",
      .values = {{"loss", loss}, {"lr", plan.lr}, {"grad_norm", grad_norm_.item<double>()}}};
  if (task_.spec().mask == arch::Mask::kSoftCausal) {
    event.values.emplace_back("mask_rate", plan.mask_rate);
  }
  if (task_.spec().drop_path > 0.0) event.values.emplace_back("drop_path", plan.drop_path);
  if (state_.nonfinite > 0) {
    event.values.emplace_back("nonfinite", static_cast<double>(state_.nonfinite));
  }
  event.values.emplace_back("images_per_s", images / seconds);
  event.values.emplace_back("data_wait", runner_.take_wait_s() / seconds);
  log_->event(event);
  display_.loss(loss, plan.lr);
  state_.interval_loss = 0.0;
  state_.interval_steps = 0;
}

void RunLoop::save() {
  drain();
  state_.events = log_->events();
  state_.updates = optimizer_->steps();
  state_.average_updates = average_ ? average_->updates() : 0;
  checkpointer_.save(state_, mask_rate());
  clock_.saved();
}

bool RunLoop::stop_now() {
  if (options_.stop && options_.stop()) {
    stop_status_ = RunStatus::kInterrupted;
    return true;
  }
  if (!clock_.time_is_over()) return false;
  stop_status_ = RunStatus::kTimeLimit;
  return true;
}

bool RunLoop::evaluation_due() const {
  const std::int64_t done = state_.epoch + 1;
  const std::int64_t every = config_.train.eval_every;
  return done == config_.train.epochs || (every > 0 && done % every == 0);
}

tasks::Evaluation RunLoop::evaluate(const EvaluationPlan& plan) {
  tasks::EvaluateOptions options;
  options.exec = {.precision = config_.train.precision, .ops = config_.train.ops};
  options.mask_rate = plan.mask_rate;
  options.samples = plan.samples;
  options.stop = [this] { return stop_now(); };
  options.progress = [this](std::int64_t done, std::int64_t total) {
    display_.evaluating(done, total);
  };
  const AverageScope scope(task_.parameters(), plan.averaged && average_ ? &*average_ : nullptr);
  tasks::Evaluation evaluation = task_.evaluate(objects_.eval_loader, options);
  if (evaluation.complete) display_.evaluated(evaluation);
  return evaluation;
}

RunLoop::Verdict RunLoop::close_epoch() {
  const bool last = state_.epoch + 1 == config_.train.epochs;
  const bool due = evaluation_due();
  std::optional<tasks::Evaluation> evaluation;
  if (due) {
    // The workers make the next batches while the model is evaluated.
    if (!last) begin_epoch(state_.epoch + 1, 0);
    evaluation = evaluate({.mask_rate = mask_rate(), .samples = last ? config_.output.samples : 0});
    if (!evaluation->complete) return Verdict::kStop;
  }
  const bool better = record(evaluation);
  ++state_.epoch;
  state_.step_in_epoch = 0;
  state_.epoch_loss = 0.0;
  state_.epoch_steps = 0;
  save();
  if (better) checkpointer_.keep_best();
  const std::int64_t every = config_.train.save_every;
  if (every > 0 && state_.epoch % every == 0) checkpointer_.keep_numbered(state_.epoch);
  if (evaluation) evaluation_ = std::move(evaluation);
  return Verdict::kGoOn;
}

bool RunLoop::record(const std::optional<tasks::Evaluation>& evaluation) {
  const auto steps = static_cast<double>(state_.epoch_steps);
  RunLog::Values row = {{"train_loss", state_.epoch_loss / steps}};
  bool better = false;
  if (evaluation) {
    log_->event({.step = state_.step,
                 .epoch = state_.epoch,
                 .wall_time = clock_.wall_time(),
                 .split = "eval",
                 .values = evaluation->values});
    for (const auto& [name, value] : evaluation->values) row.emplace_back("eval_" + name, value);
    const double primary = evaluation->value(evaluation->primary);
    better = evaluation->improves(primary, state_.best);
    if (better) {
      state_.best = primary;
      state_.best_epoch = state_.epoch;
    }
  }
  row.emplace_back("lr", plan_of(state_.step - 1).lr);
  if (task_.spec().mask == arch::Mask::kSoftCausal) row.emplace_back("mask_rate", mask_rate());
  log_->epoch(state_.epoch, row);
  return better;
}

RunResult RunLoop::result(RunStatus status) const {
  return {.status = status,
          .steps = state_.step,
          .epochs = state_.epoch,
          .best = state_.best,
          .best_epoch = state_.best_epoch,
          .evaluation = evaluation_,
          .folder = folder_.root()};
}

}  // namespace conopa::train
