#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "conopa/io/tensor_source.h"
#include "conopa/llm/frozen.h"
#include "conopa/tasks/task.h"
#include "conopa/train/checkpoint.h"
#include "conopa/train/optimizer.h"
#include "conopa/train/options.h"
#include "conopa/train/run_folder.h"
#include "conopa/train/weight_average.h"

namespace conopa::train {

/// Turns a run's live objects into checkpoint folders and back.
class Checkpointer {
 public:
  /// All are kept by reference; `average` may be null.
  Checkpointer(const RunFolder& folder, const RunConfig& config, tasks::Task& task,
               Optimizer& optimizer, WeightAverage* average, std::vector<std::string> class_names,
               std::optional<llm::FrozenRecord> language = {});

  /// Writes `last`.
  /// @param mask_rate  α that the model is to be used with.
  void save(const TrainState& state, double mask_rate) const;

  /// Makes `best` the same as `last`.
  void keep_best() const;

  /// Makes epoch_N the same as `last` and removes the oldest beyond train.keep_last.
  void keep_numbered(std::int64_t epochs) const;

  /// Reads everything from a checkpoint.
  /// @throws ConfigError naming the keys if it belongs to another config, FormatError if it does
  ///         not fit the model.
  [[nodiscard]] TrainState restore(const std::filesystem::path& path) const;

  /// The model part of a checkpoint into the task's weights (for the final model).
  /// @return its α.
  double load_model(const std::filesystem::path& path) const;

  /// Spec as written, with its α.
  [[nodiscard]] std::string config_json(double mask_rate) const;
  /// The weights that evaluation uses: the average if there is one and it is wanted.
  [[nodiscard]] std::vector<NamedTensor> model_tensors(bool averaged) const;
  [[nodiscard]] Metadata model_metadata() const;
  /// llm.json of model folders that leave the language block out; empty for none.
  [[nodiscard]] std::string language_json() const;

 private:
  [[nodiscard]] std::vector<NamedTensor> resume_tensors() const;
  void check_language(const std::filesystem::path& path) const;

  const RunFolder& folder_;
  const RunConfig& config_;
  tasks::Task& task_;
  Optimizer& optimizer_;
  WeightAverage* average_;
  std::vector<std::string> class_names_;
  std::optional<llm::FrozenRecord> language_;
};

}  // namespace conopa::train
