#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <span>
#include <string>

#include "conopa/core/fields.h"
#include "conopa/io/tensor_source.h"
#include "conopa/train/atomic_folder.h"

namespace conopa::train {

/// Where a run stands; with the weights and the optimiser's averages everything it needs, since
/// all randomness is a function of (seed, epoch, step).
struct TrainState {
  std::int64_t format = 1;         ///< of this struct
  std::int64_t step = 0;           ///< optimiser steps done
  std::int64_t epoch = 0;          ///< epochs closed (evaluated and logged)
  std::int64_t step_in_epoch = 0;  ///< steps of the epoch under way; all = evaluation is due
  std::int64_t updates = 0;        ///< of the optimiser; fewer than steps if some were skipped
  std::int64_t average_updates = 0;
  double best = std::numeric_limits<double>::quiet_NaN();
  std::int64_t best_epoch = -1;
  std::int64_t events = 0;  ///< lines of metrics.jsonl
  double interval_loss = 0.0;
  std::int64_t interval_steps = 0;
  double epoch_loss = 0.0;
  std::int64_t epoch_steps = 0;
  std::int64_t nonfinite = 0;
  std::int64_t nonfinite_in_row = 0;
  std::int64_t threads = 0;  ///< results repeat at this number

  void visit(FieldVisitor& v);
};

/// What a checkpoint folder is made of.
struct CheckpointContent {
  std::string config_json;              ///< the model's spec
  std::string preprocessor_json;        ///< how images enter it
  std::string language_json = {};       ///< llm.json; empty for none
  std::string run_json;                 ///< the run's resolved config
  std::span<const NamedTensor> model;   ///< what evaluation uses: the average if there is one
  Metadata model_metadata;              ///< class_names: JSON list
  std::span<const NamedTensor> resume;  ///< optimiser state; raw weights beside an average
  TrainState state;
};

/// Writes a checkpoint: a model folder (config.json, preprocessor_config.json, model.safetensors)
/// with training.safetensors, run.json and state.json. Atomic, see AtomicFolder.
/// @throws IoError if anything cannot be written; an earlier checkpoint of that name is intact.
void save_checkpoint(const std::filesystem::path& path, const CheckpointContent& content,
                     const AtomicFolderOptions& options = {});

/// Makes `to` the same checkpoint as `from`, by hard links where the file system has them.
/// @throws IoError as save_checkpoint.
void copy_checkpoint(const std::filesystem::path& from, const std::filesystem::path& to,
                     const AtomicFolderOptions& options = {});

/// An opened checkpoint; tensors stay on disk until read.
struct Checkpoint {
  TrainState state;
  std::string config_json;
  std::string run_json;
  std::unique_ptr<TensorSource> model;
  std::unique_ptr<TensorSource> resume;
};

/// @throws IoError if a file is missing, FormatError if one is damaged or of a later format.
[[nodiscard]] Checkpoint open_train_checkpoint(const std::filesystem::path& path);

}  // namespace conopa::train
