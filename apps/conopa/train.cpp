// conopa train: run a recipe.

#include <memory>

#include "torch_parts.h"

namespace conopa::app {

void add_train(CLI::App& root, Context& context) {
  CLI::App* command =
      add_command(root, "train", "train a model as a recipe says",
                  "conopa train recipes/illama/fmnist.toml --out runs/fmnist --set train.epochs=5");
  auto options = std::make_shared<TrainOptions>();
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
    context.action = [&context, options] { return need_torch(context).train(context, *options); };
  });
}

}  // namespace conopa::app
