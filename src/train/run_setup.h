#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "conopa/data/loader.h"
#include "conopa/tasks/task.h"
#include "conopa/train/trainer.h"

namespace conopa::train {

/// Opens both splits that the recipe names.
[[nodiscard]] RunParts open_parts(const RunConfig& config);

/// Loader of micro-batches; smoothing without mixing is left to the loss.
[[nodiscard]] std::unique_ptr<data::Loader> make_train_loader(const RunConfig& config,
                                                              const RunParts& parts);
[[nodiscard]] std::unique_ptr<data::Loader> make_eval_loader(const RunConfig& config,
                                                             const RunParts& parts);

struct MadeTask {
  std::unique_ptr<tasks::Task> task;
  std::optional<llm::FrozenRecord> language;  ///< of tensors that checkpoints leave out
};

/// The model on its device with the objective; weights fresh, from train.init_from and, of the
/// language block, from llm.source.
[[nodiscard]] MadeTask make_task(const RunConfig& config);

/// Facts about machine and build, for environment.json and the report.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> environment_facts(
    const RunOptions& options, const std::string& device, std::int64_t threads);

}  // namespace conopa::train
