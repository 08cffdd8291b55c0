#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>

#include "conopa/core/progress.h"
#include "conopa/data/open.h"
#include "conopa/tasks/task.h"
#include "conopa/train/options.h"

namespace conopa::train {

/// What a run does if its folder already holds one.
enum class Resume {
  kNever,    ///< refuse, or start over if `overwrite`
  kAuto,     ///< continue its last checkpoint; start if there is none
  kRequired  ///< continue; refuse if there is no checkpoint
};

/// How a run meets its surroundings; none of it changes what is computed.
struct RunOptions {
  Resume resume = Resume::kNever;
  bool overwrite = false;             ///< with kNever: delete the former run's files first
  std::string command;                ///< command line, kept in the run folder
  std::string version;                ///< of the program
  std::ostream* progress = nullptr;   ///< progress lines; none: silent
  ProgressOptions progress_options;   ///< label, unit and steps are set by the run
  std::function<bool()> stop;         ///< asked after every step; true: save and stop
  std::function<double()> wall_time;  ///< seconds since 1970; empty = the system's clock
};

enum class RunStatus {
  kFinished,     ///< every epoch is done
  kInterrupted,  ///< stopped on request, resumable
  kTimeLimit     ///< train.time_limit_minutes is over, resumable
};

struct RunResult {
  RunStatus status = RunStatus::kFinished;
  std::int64_t steps = 0;   ///< optimiser steps done, earlier sessions included
  std::int64_t epochs = 0;  ///< whole epochs done
  double best = 0.0;        ///< best primary metric; NaN before the first evaluation
  std::int64_t best_epoch = -1;
  std::optional<tasks::Evaluation> evaluation;  ///< the last one of this session
  std::filesystem::path folder;
};

/// The datasets of a run.
struct RunParts {
  data::OpenedDataset train;
  data::OpenedDataset eval;
};

/// One training run in one folder.
///
/// The folder holds config.toml, config.json, command.txt, environment.json, metrics.jsonl,
/// summary.csv, TensorBoard events and checkpoints/{last,best,epoch_N}; each checkpoint is a model
/// folder with the training state beside the model. All randomness is a function of (seed, epoch,
/// step), so that a resumed run writes the same bytes as an uninterrupted one, wall-clock fields
/// (see is_wall_clock) excepted, given the same number of threads on the same kind of machine.
class Trainer {
 public:
  /// Validates the config, opens the datasets, builds the model; touches no run folder yet.
  /// @throws ConfigError, IoError, FormatError, UnsupportedError by what is wrong.
  Trainer(RunConfig config, RunOptions options);
  /// The same with datasets that are already open.
  Trainer(RunConfig config, RunParts parts, RunOptions options);
  ~Trainer();
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  /// Resolved: classes, sizes and hidden width settled.
  [[nodiscard]] const RunConfig& config() const noexcept;
  [[nodiscard]] tasks::Task& task() noexcept;
  [[nodiscard]] const RunParts& parts() const noexcept;
  [[nodiscard]] std::int64_t steps_per_epoch() const noexcept;

  /// Trains until done, stopped or failed. Call once.
  /// @throws RunError if the folder is in use or holds another run, or the loss stays non-finite;
  ///         IoError if a file cannot be written (checkpoints written before stay intact).
  [[nodiscard]] RunResult run();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// Whether a value of metrics.jsonl depends on the clock and so differs between equal runs
/// (`wall_time`, `images_per_s`, `seconds`, `data_wait`).
[[nodiscard]] bool is_wall_clock(std::string_view name) noexcept;

}  // namespace conopa::train
