// What `conopa train` does.

#include <fmt/format.h>
#include <unistd.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "conopa/arch/cost.h"
#include "conopa/core/config.h"
#include "conopa/core/error.h"
#include "conopa/core/fields_json.h"
#include "conopa/core/signal.h"
#include "conopa/core/system.h"
#include "conopa/train/trainer.h"
#include "program_version.h"
#include "torch/parts.h"

namespace conopa::app {
namespace {

using Json = nlohmann::ordered_json;

std::vector<std::string> overrides(const TrainOptions& options) {
  std::vector<std::string> all = options.set;
  // The value is quoted so that a path such as 007 stays text.
  if (!options.out.empty()) all.push_back("output.dir=" + options.out);
  if (!options.data.empty()) all.push_back("data.path=" + options.data);
  if (options.threads > 0) all.push_back(fmt::format("train.threads={}", options.threads));
  if (options.seed >= 0) all.push_back(fmt::format("train.seed={}", options.seed));
  return all;
}

train::Resume resume_mode(const std::string& word) {
  if (word == "auto") return train::Resume::kAuto;
  return word == "required" ? train::Resume::kRequired : train::Resume::kNever;
}

int show_plan(const Context& context, const train::Trainer& trainer) {
  const train::RunConfig& config = trainer.config();
  const arch::Cost cost = arch::count_cost(config.model.spec);
  const std::int64_t steps = trainer.steps_per_epoch();
  if (context.json) {
    const Json out{{"config", Json::parse(to_json(config))},
                   {"parameters", cost.parameters},
                   {"macs_per_image", cost.macs()},
                   {"steps_per_epoch", steps}};
    fmt::print("{}\n", out.dump());
    return 0;
  }
  fmt::print("{}\n", to_toml(config));
  // Weights, gradients and two AdamW moments; activations come on top.
  fmt::print("# {} parameters ({} with gradients and AdamW), {} MACs per image\n",
             format_count(static_cast<double>(cost.parameters)), format_bytes(cost.parameters * 16),
             format_count(static_cast<double>(cost.macs())));
  fmt::print("# {} steps per epoch, {} steps in all\n", steps, steps * config.train.epochs);
  return 0;
}

void print_result(const Context& context, const train::RunResult& result) {
  static constexpr std::string_view kStatus[] = {"finished", "interrupted", "time limit"};
  const std::string_view status = kStatus[static_cast<std::size_t>(result.status)];
  if (context.json) {
    Json out{{"status", status},        {"folder", result.folder.string()},
             {"epochs", result.epochs}, {"steps", result.steps},
             {"best", result.best},     {"best_epoch", result.best_epoch}};
    if (result.evaluation) {
      for (const auto& [name, value] : result.evaluation->values) out["evaluation"][name] = value;
    }
    fmt::print("{}\n", out.dump());
    return;
  }
  fmt::print("{} after {} epochs, {} steps\n", status, result.epochs, result.steps);
  if (result.evaluation) {
    for (const auto& [name, value] : result.evaluation->values)
      fmt::print("  {:<6} {:.4f}\n", name, value);
  }
  fmt::print("run folder   {}\n", result.folder.string());
  if (result.status == train::RunStatus::kFinished) {
    fmt::print("model        {}\n", (result.folder / "model").string());
    fmt::print("report       {}\n", (result.folder / "report.html").string());
  } else {
    fmt::print("continue with the same command and --resume auto\n");
  }
}

}  // namespace

int run_train(const Context& context, const TrainOptions& options) {
  Config config = Config::load(options.recipe, overrides(options));
  const StopRequest stop;
  train::Trainer trainer(train::RunConfig::from(config),
                         {.resume = resume_mode(options.resume),
                          .overwrite = options.force,
                          .command = context.command_line,
                          .version = version_text(),
                          .progress = progress_stream(context),
                          .progress_options = detect_progress(STDERR_FILENO),
                          .stop = [&stop] { return stop.requested(); },
                          .wall_time = {}});
  if (options.dry_run) return show_plan(context, trainer);
  const train::RunResult result = trainer.run();
  print_result(context, result);
  return result.status == train::RunStatus::kInterrupted ? static_cast<int>(ExitCode::kInterrupted)
                                                         : 0;
}

}  // namespace conopa::app
