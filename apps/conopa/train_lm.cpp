// conopa train-lm: a small language model out of text files, a source of frozen blocks.

#include <algorithm>

#include "command.h"
#include "torch_parts.h"

namespace conopa::app {
namespace {

void add_run(CLI::App& command, LanguageCommand& options) {
  command.add_option("--steps", options.steps, "optimiser steps")->capture_default_str();
  command.add_option("-b,--batch", options.batch, "windows of text a step")->capture_default_str();
  command.add_option("--lr", options.lr, "learning rate after the warm-up")->capture_default_str();
  command.add_option("--warmup", options.warmup, "steps of linear warm-up; -1: 5 % of --steps");
  command.add_option("--eval-every", options.eval_every, "steps between evaluations")
      ->capture_default_str();
  command.add_option("--seed", options.seed, "of weights and windows")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command.add_option("--precision", options.precision, "of matrix products: fp32 or bf16")
      ->check(CLI::IsMember({"fp32", "bf16"}))
      ->capture_default_str();
  command.add_option("--device", options.device, "auto, cpu, cuda or cuda:N")
      ->capture_default_str();
  command.add_option("--threads", options.threads, "compute threads; 0 = one per core")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{4096}))
      ->capture_default_str();
}

}  // namespace

void add_train_lm(CLI::App& root, Context& context) {
  CLI::App* command =
      add_command(root, "train-lm", "train a small LLaMA language model on text files",
                  "conopa train-lm /usr/share/doc --max-mb 40 --out runs/lm");
  auto options = std::make_shared<LanguageCommand>();
  command
      ->add_option("text", options->text,
                   "text files (also .gz) and folders of them; other files in folders are left out")
      ->required();
  command->add_option("--model", options->preset, "preset to start from")->capture_default_str();
  command
      ->add_option("-s,--set", options->set,
                   "spec field key=value, such as dim=128 or width=256 (repeatable)")
      ->allow_extra_args(false);
  command
      ->add_option("--tokenizer", options->tokenizer,
                   "bytes, or CLIP's vocabulary: a list of merges, tokenizer.json or a folder")
      ->capture_default_str();
  command->add_option("--max-mb", options->max_mb, "read so many MB of text at most; 0: all")
      ->check(CLI::NonNegativeNumber);
  add_run(*command, *options);
  command->add_option("--prompt", options->prompt, "text that the trained model goes on with")
      ->capture_default_str();
  command->add_option("-o,--out", options->out, "folder for model/, meta/, hf/ and the table")
      ->required();
  command->add_flag("-f,--force", options->force, "replace a former model in --out");
  command->callback([&context, options] {
    context.action = [&context, options] {
      return need_torch(context).train_lm(context, *options);
    };
  });
}

}  // namespace conopa::app
