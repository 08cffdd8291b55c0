// conopa lora: merge low-rank branches into a model, and move them between models.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <system_error>

#include "command.h"
#include "conopa/core/error.h"
#include "conopa/core/log.h"
#include "lora_weights.h"
#include "model_text.h"

namespace conopa::app {
namespace {

struct Options {
  std::string model;
  std::string adapter;
  std::string out;
  bool any_base = false;
  bool force = false;
};

void save(const Context& context, const Options& options, const StoredModel& model,
          const arch::EncoderSpec& spec, std::vector<NamedTensor> tensors,
          const std::string& statement) {
  save_model(options.out,
             {.spec = spec,
              .transform = model.transform,
              .class_names = model.class_names,
              .tensors = std::move(tensors),
              .readme = origin_card(
                  options.out, spec,
                  {.statement = statement, .details = {}, .command_line = context.command_line})},
             options.force);
}

void print_result(const Context& context, const Options& options, const LoraAdapter& adapter,
                  const std::string& note) {
  if (context.json) {
    const nlohmann::ordered_json json{{"out", options.out},
                                      {"rank", adapter.rank},
                                      {"alpha", adapter.alpha},
                                      {"base", adapter.base},
                                      {"note", note}};
    fmt::print("{}\n", json.dump());
    return;
  }
  fmt::print("branches    rank {}, alpha {:g}, {} tensors\n", adapter.rank, adapter.alpha,
             adapter.tensors.size());
  if (!note.empty()) fmt::print("            {}\n", note);
  fmt::print("written     {}\n", options.out);
}

std::string title(const StoredModel& model) {
  return model.path.lexically_normal().filename().string();
}

int merge(const Context& context, const Options& options) {
  check_output_folder(options.out, options.force);
  const StoredModel model = open_model(options.model);
  const LoraAdapter adapter = lora_of(model);
  save(context, options, model, without_lora(model.spec), merged_tensors(model, adapter, 1),
       fmt::format("Made from `{}` by adding its LoRA branches (rank {}) to the weights.",
                   title(model), adapter.rank));
  print_result(context, options, adapter, "");
  return 0;
}

int extract(const Context& context, const Options& options) {
  std::error_code ignored;
  if (!options.force && std::filesystem::exists(options.out, ignored)) {
    throw IoError(options.out,
                  "the file exists already; choose another --out, or replace it with --force");
  }
  const StoredModel model = open_model(options.model);
  const LoraAdapter adapter = lora_of(model);
  write_adapter(options.out, adapter, model.spec);
  print_result(context, options, adapter, fmt::format("trained on the base {}", adapter.base));
  return 0;
}

int apply(const Context& context, const Options& options) {
  check_output_folder(options.out, options.force);
  const StoredModel model = open_model(options.model);
  if (model.spec.lora_rank > 0) {
    throw ConfigError(options.model,
                      "the model has LoRA branches already; merge them first (conopa lora merge)");
  }
  const LoraAdapter adapter = read_adapter(options.adapter, model.spec);
  if (const std::string found = base_fingerprint(model);
      !adapter.base.empty() && adapter.base != found) {
    if (!options.any_base) {
      throw FormatError(options.adapter,
                        "the adapter was trained on a base of the hash {}, {} has {}; give that "
                        "model, or add --any-base",
                        adapter.base, options.model, found);
    }
    log_warning("the adapter was trained on another base ({}, this one has {})", adapter.base,
                found);
  }
  std::vector<NamedTensor> tensors = merged_tensors(model, adapter, 0);
  for (const auto& [name, tensor] : adapter.tensors) tensors.push_back({name, tensor});
  save(context, options, model, with_lora(model.spec, adapter), std::move(tensors),
       fmt::format("`{}` with the LoRA branches of an adapter (rank {}).", title(model),
                   adapter.rank));
  print_result(context, options, adapter, "");
  return 0;
}

// Two roundings, of the merged weight and of the difference, half a unit in the last place each.
double rounding_of(const std::vector<NamedTensor>& tensors) {
  double largest = 0.0;
  for (const NamedTensor& named : tensors) {
    if (!named.name.ends_with(".weight") || named.name.find(".attn.") == std::string::npos) {
      continue;
    }
    const int bits = named.tensor.dtype() == DType::kF16    ? 11
                     : named.tensor.dtype() == DType::kBF16 ? 8
                                                            : 24;
    for (const float value : named.tensor.to_f32()) {
      largest = std::max(largest, std::abs(static_cast<double>(value)) * std::ldexp(2.0, -bits));
    }
  }
  return largest;
}

int unmerge(const Context& context, const Options& options) {
  check_output_folder(options.out, options.force);
  const StoredModel model = open_model(options.model);
  if (model.spec.lora_rank > 0) {
    throw ConfigError(options.model, "expected a merged model, found one with LoRA branches");
  }
  const LoraAdapter adapter = read_adapter(options.adapter, model.spec);
  std::vector<NamedTensor> tensors = merged_tensors(model, adapter, -1);
  const bool exact = base_fingerprint(tensors, model.spec) == adapter.base;
  const std::string note =
      exact ? std::string("the base's weights are back, bit for bit")
            : fmt::format("rounding leaves the weights within about {:.1e} of the base's",
                          rounding_of(tensors));
  save(context, options, model, model.spec, std::move(tensors),
       fmt::format("Made from `{}` by taking merged LoRA branches out; {}.", title(model), note));
  print_result(context, options, adapter, note);
  return 0;
}

using Action = int (*)(const Context&, const Options&);

CLI::App* add_action(CLI::App& lora, Context& context, const std::string& name,
                     const std::string& summary, const std::string& example, Action action,
                     bool reads_adapter) {
  CLI::App* command = add_command(lora, name, summary, example);
  auto options = std::make_shared<Options>();
  command->add_option("model", options->model, "model folder, run folder or checkpoint folder")
      ->required();
  if (reads_adapter) {
    command->add_option("adapter", options->adapter, "file of conopa lora extract")->required();
  }
  command->add_option("-o,--out", options->out, "model folder or adapter file to write")
      ->required();
  command->add_flag("-f,--force", options->force, "replace what is at --out");
  if (action == apply) {
    command->add_flag("--any-base", options->any_base,
                      "take the adapter though it was trained on another base");
  }
  command->callback([&context, options, action] {
    context.action = [&context, options, action] { return action(context, *options); };
  });
  return command;
}

}  // namespace

void add_lora(CLI::App& root, Context& context) {
  CLI::App* lora = add_command(root, "lora", "merge low-rank branches, move them between models",
                               "conopa lora merge runs/aim_lora --out models/aim_tuned");
  add_action(*lora, context, "merge", "add the branches to the weights",
             "conopa lora merge runs/aim_lora --out models/aim_tuned", merge, false);
  add_action(*lora, context, "extract", "write the branches alone",
             "conopa lora extract runs/aim_lora --out adapter.safetensors", extract, false);
  add_action(*lora, context, "apply", "give a base model the branches of an adapter",
             "conopa lora apply models/aim adapter.safetensors --out models/aim_lora", apply, true);
  add_action(*lora, context, "unmerge", "take the branches of an adapter out of merged weights",
             "conopa lora unmerge models/aim_tuned adapter.safetensors --out models/aim", unmerge,
             true);
  lora->require_subcommand(1);
}

}  // namespace conopa::app
