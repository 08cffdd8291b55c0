// conopa probe: train heads on the frozen features of a model.

#include <memory>

#include "probe_layers.h"
#include "torch_parts.h"

namespace conopa::app {
namespace {

void add_study(CLI::App& command, ProbeCommand& options) {
  command.add_option("--head", options.head, "attention (learned queries) or linear (mean token)")
      ->check(CLI::IsMember({"attention", "linear"}))
      ->capture_default_str();
  command.add_option("--layers", options.layers, kProbeLayersHelp)->capture_default_str();
  command.add_option("--lr", options.lr, "learning rates to try, separated by commas")
      ->capture_default_str();
  command.add_option("--wd", options.weight_decay, "weight decays to try with each of them")
      ->capture_default_str();
  command.add_option("--epochs", options.epochs, "passes over the features")->capture_default_str();
  command.add_option("--warmup", options.warmup, "epochs of linear warm-up; -1: 5 % of --epochs");
  command.add_option("-b,--batch", options.batch, "images per step")->capture_default_str();
  command.add_option("--queries", options.queries, "of the attention head")->capture_default_str();
  command.add_option("--seed", options.seed, "of head and order")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
}

void add_features_and_data(CLI::App& command, ProbeCommand& options) {
  command.add_option("-d,--data", options.data, "dataset (data.path of --recipe)");
  command.add_option("--recipe", options.recipe, "TOML recipe whose [data] table is used");
  command
      .add_option("--augment", options.augment,
                  "none, or flip: every training image flipped as well (twice the cache)")
      ->check(CLI::IsMember({"none", "flip"}))
      ->capture_default_str();
  command.add_option("--cache", options.cache,
                     "folder of computed features, which later calls use again (default: cache "
                     "inside --out)");
  command.add_option("--dtype", options.dtype, "of cached features: bf16 or f32")
      ->check(CLI::IsMember({"bf16", "f32"}))
      ->capture_default_str();
  command
      .add_option("--precision", options.precision,
                  "of the encoder's matrix products: fp32 or bf16")
      ->check(CLI::IsMember({"fp32", "bf16"}))
      ->capture_default_str();
  command.add_option("--device", options.device, "auto, cpu, cuda or cuda:N")
      ->capture_default_str();
  command.add_option("--threads", options.threads, "compute threads; 0 = one per core")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{4096}))
      ->capture_default_str();
}

}  // namespace

void add_probe(CLI::App& root, Context& context) {
  CLI::App* command = add_command(
      root, "probe", "train heads on the frozen features of a model, many settings at once",
      "conopa probe runs/aim/model --data /usr/share/datasets/fashion-mnist --layers 'final;6-11' "
      "\\\n      --lr 1e-4,3e-4,1e-3 --wd 0.05,0.1 --out runs/aim_probe");
  auto options = std::make_shared<ProbeCommand>();
  command->add_option("model", options->model, "model folder, run folder or checkpoint folder")
      ->required();
  add_features_and_data(*command, *options);
  add_study(*command, *options);
  command
      ->add_option("-s,--set", options->set,
                   "spec field key=value of the encoder, such as mask=causal (repeatable)")
      ->allow_extra_args(false);
  command->add_option("-o,--out", options->out, "folder for model, table, head and report")
      ->required();
  command->add_flag("-f,--force", options->force, "replace a former model in --out");
  command->callback([&context, options] {
    context.action = [&context, options] { return need_torch(context).probe(context, *options); };
  });
}

}  // namespace conopa::app
