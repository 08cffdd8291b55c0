#include "train/run_display.h"

#include <fmt/format.h>

#include <utility>

namespace conopa::train {

void RunDisplay::start(const RunOptions& options, const TrainOptions& train,
                       std::int64_t total_steps, std::int64_t first_step) {
  step_ = first_step;
  if (options.progress == nullptr) return;
  ProgressOptions shown = options.progress_options;
  shown.label = "train";
  shown.unit = "images";
  shown.units_per_step = static_cast<double>(train.batch);
  shown.first_step = first_step;
  progress_.emplace(*options.progress, total_steps, std::move(shown));
}

void RunDisplay::step(std::int64_t step, std::int64_t epoch, std::int64_t epochs) {
  step_ = step;
  if (!progress_) return;
  if (std::exchange(shown_epoch_, epoch) != epoch) {
    progress_->set("epoch", fmt::format("{}/{}", epoch + 1, epochs));
  }
  progress_->update(step);
}

void RunDisplay::loss(double loss, double lr) {
  if (!progress_) return;
  progress_->set("loss", fmt::format("{:.4f}", loss));
  progress_->set("lr", fmt::format("{:.2e}", lr));
}

void RunDisplay::evaluating(std::int64_t done, std::int64_t total) {
  if (!progress_) return;
  progress_->set("eval", fmt::format("{}%", 100 * done / total));
  progress_->update(step_);
}

void RunDisplay::evaluated(const tasks::Evaluation& evaluation) {
  if (!progress_) return;
  progress_->set(
      "eval", fmt::format("{} {:.4f}", evaluation.primary, evaluation.value(evaluation.primary)));
  progress_->update(step_);
}

void RunDisplay::finish() {
  if (progress_) progress_->finish();
}

}  // namespace conopa::train
