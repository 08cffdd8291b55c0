#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "conopa/data/dataset.h"
#include "conopa/tasks/task.h"
#include "conopa/train/options.h"

namespace conopa::train {

/// What the documents of a finished run are made from.
struct FinishInput {
  std::filesystem::path folder;  ///< the run folder, which holds metrics.jsonl
  RunConfig config;
  tasks::Evaluation evaluation;              ///< of the final model
  const data::Dataset* eval_data = nullptr;  ///< for the sample pictures; may be null
  std::vector<std::string> class_names;
  std::string command;
  std::string version;
  std::vector<std::pair<std::string, std::string>> environment;
  std::int64_t parameters = 0;
  std::int64_t train_images = 0;
  std::int64_t eval_images = 0;
  std::string eval_split;
  std::int64_t chosen_epoch = -1;  ///< of the final model, from 0
};

/// Title of the run: output.name or the folder's name.
[[nodiscard]] std::string run_title(const RunConfig& config, const std::filesystem::path& folder);

/// README.md of the final model with the measured numbers.
[[nodiscard]] std::string model_card(const FinishInput& input);

/// Writes report.html and evaluation.json (the classification result, or the values by name of a
/// task without one) into the run folder.
/// @throws IoError if a file cannot be written.
void write_report(const FinishInput& input);

}  // namespace conopa::train
