// conopa eval: measure a model on a labelled dataset.

#include "eval.h"

#include <memory>

namespace conopa::app {
namespace {

void add_measuring_options(CLI::App& command, EvalOptions& options) {
  command.add_option("-b,--batch", options.batch, "images per batch")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{65536}))
      ->capture_default_str();
  add_engine_options(command, options.engine);
  command.add_option("--limit", options.limit, "use this many images only; 0 = all");
}

void add_data_options(CLI::App& command, EvalOptions& options) {
  command.add_option("-d,--data", options.data, "dataset folder or list file")->required();
  add_dataset_options(command, options);
  command.add_option("--on-error", options.on_error, "broken images: error or skip")
      ->check(CLI::IsMember({"error", "skip"}))
      ->capture_default_str();
}

}  // namespace

void add_dataset_options(CLI::App& command, EvalOptions& options) {
  command.add_option("--kind", options.kind, "auto, idx, cifar10, cifar100, image_folder or list")
      ->check(CLI::IsMember({"auto", "idx", "cifar10", "cifar100", "image_folder", "list"}))
      ->capture_default_str();
  command.add_option("--split", options.split, "split to use (default: the dataset's test split)");
}

void add_eval(CLI::App& root, Context& context) {
  CLI::App* command =
      add_command(root, "eval", "measure a model on a labelled dataset",
                  "conopa eval runs/fmnist/model --data /usr/share/datasets/fashion-mnist\n"
                  "  conopa eval models/illama_tiny --data imagenet --sizes 160,224,288x320 "
                  "--csv sizes.csv");
  auto options = std::make_shared<EvalOptions>();
  command->add_option("model", options->model, "model or run folder")->required();
  add_data_options(*command, *options);
  add_measuring_options(*command, *options);
  CLI::Option* sizes = command->add_option(
      "--sizes", options->sizes,
      "input sizes to compare without retraining: pixels or HEIGHTxWIDTH, separated by commas");
  command
      ->add_option("-s,--set", options->settings,
                   "spec field key=value for this evaluation (repeatable)")
      ->allow_extra_args(false);
  command->add_option("--csv", options->csv, "write the table of sizes")->needs(sizes);
  command->add_option("--report", options->report, "write a self-contained HTML report");
  command->callback([&context, options, sizes] {
    const bool many = sizes->count() > 0;
    context.action = [&context, options, many] {
      return many ? run_eval_sizes(context, *options) : run_eval(context, *options);
    };
  });
}

}  // namespace conopa::app
