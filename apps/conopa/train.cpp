// conopa train: run a recipe.

#include <fmt/format.h>
#include <unistd.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "command.h"
#include "conopa/core/config.h"
#include "conopa/core/error.h"
#include "conopa/core/fields_json.h"
#include "conopa/core/signal.h"
#include "conopa/core/system.h"
#include "program_version.h"

#ifdef CONOPA_TRAIN
#include "conopa/arch/cost.h"
#include "conopa/train/trainer.h"
#endif

namespace conopa::app {
namespace {

struct Options {
  std::string recipe;
  std::vector<std::string> set;
  std::string out;
  std::string resume = "never";
  bool force = false;
  bool dry_run = false;
  std::int64_t threads = 0;
  std::int64_t seed = -1;
  std::string data;
};

#ifdef CONOPA_TRAIN

using Json = nlohmann::ordered_json;

std::vector<std::string> overrides(const Options& options) {
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

int run(const Context& context, const Options& options) {
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

#else

int run(const Context&, const Options&) {
  throw UnsupportedError("train", "this build has no libtorch; configure with -DCONOPA_TRAIN=ON");
}

#endif

}  // namespace

void add_train(CLI::App& root, Context& context) {
  CLI::App* command =
      add_command(root, "train", "train a model as a recipe says",
                  "conopa train recipes/illama/fmnist.toml --out runs/fmnist --set train.epochs=5");
  auto options = std::make_shared<Options>();
  command->add_option("recipe", options->recipe, "TOML recipe")->required();
  command->add_option("-s,--set", options->set, "override a recipe value, a.b=c (repeatable)")
      ->allow_extra_args(false);
  command->add_option("-o,--out", options->out, "run folder (output.dir)");
  command->add_option("-d,--data", options->data, "dataset (data.path)");
  command
      ->add_option("--resume", options->resume,
                   "never, auto (continue if there is a checkpoint) or required")
      ->check(CLI::IsMember({"never", "auto", "required"}))
      ->capture_default_str();
  command->add_flag("--force", options->force, "replace a former run in the folder");
  command->add_flag("-n,--dry-run", options->dry_run,
                    "print the resolved recipe, parameters and cost, train nothing");
  command->add_option("--threads", options->threads, "compute threads; 0 = one per core");
  command->add_option("--seed", options->seed, "seed (train.seed)");
  command->callback([&context, options] {
    context.action = [&context, options] { return run(context, *options); };
  });
}

}  // namespace conopa::app
