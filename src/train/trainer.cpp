#include "conopa/train/trainer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "conopa/tasks/runtime.h"
#include "train/run_loop.h"
#include "train/run_setup.h"

namespace conopa::train {

class Trainer::Impl {
 public:
  Impl(RunConfig config, RunParts parts, RunOptions options)
      : config_(settle(std::move(config), *parts.train.dataset)),
        parts_(std::move(parts)),
        options_(std::move(options)),
        threads_(tasks::set_compute_threads(config_.train.threads)),
        made_(make_task(config_)),
        train_loader_(make_train_loader(config_, parts_)),
        eval_loader_(make_eval_loader(config_, parts_)) {}

  [[nodiscard]] RunResult run() {
    RunLoop loop({.config = config_,
                  .parts = parts_,
                  .options = options_,
                  .task = *made_.task,
                  .language = made_.language,
                  .train_loader = *train_loader_,
                  .eval_loader = *eval_loader_,
                  .threads = threads_});
    return loop.run();
  }

  static RunConfig settle(RunConfig config, const data::Dataset& dataset) {
    config.validate();
    config.resolve(dataset.num_classes());
    return config;
  }

  RunConfig config_;
  RunParts parts_;
  RunOptions options_;
  std::int64_t threads_;
  MadeTask made_;
  std::unique_ptr<data::Loader> train_loader_;
  std::unique_ptr<data::Loader> eval_loader_;
};

Trainer::Trainer(RunConfig config, RunOptions options) {
  config.validate();  // before anything is opened
  RunParts parts = open_parts(config);
  impl_ = std::make_unique<Impl>(std::move(config), std::move(parts), std::move(options));
}

Trainer::Trainer(RunConfig config, RunParts parts, RunOptions options)
    : impl_(std::make_unique<Impl>(std::move(config), std::move(parts), std::move(options))) {}

Trainer::~Trainer() = default;

const RunConfig& Trainer::config() const noexcept { return impl_->config_; }
tasks::Task& Trainer::task() noexcept { return *impl_->made_.task; }
const RunParts& Trainer::parts() const noexcept { return impl_->parts_; }
std::int64_t Trainer::steps_per_epoch() const noexcept {
  return impl_->train_loader_->steps_per_epoch() / impl_->config_.train.accumulate;
}

RunResult Trainer::run() { return impl_->run(); }

bool is_wall_clock(std::string_view name) noexcept {
  constexpr std::array<std::string_view, 3> kNames = {"wall_time", "images_per_s", "data_wait"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

}  // namespace conopa::train
