// conopa import: a checkpoint of other software becomes a model folder.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "checkpoint_import.h"
#include "command.h"
#include "conopa/core/error.h"
#include "conopa/core/log.h"
#include "model_store.h"
#include "model_text.h"
#include "settings.h"
#include "tensor_cast.h"

namespace conopa::app {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  ImportOptions import;
  std::string checkpoint;
  std::string key;
  std::string out;
  std::string class_names;
  std::vector<std::string> preprocess;
  std::string dtype;
  bool partial = false;
  bool dry_run = false;
  bool force = false;
};

Json report_json(const ImportPlan& plan) {
  Json reshaped = Json::array();
  for (const arch::KeyReport::Reshaped& r : plan.keys.reshaped) {
    reshaped.push_back({{"name", r.name}, {"expected", r.expected}, {"found", r.found}});
  }
  Json training = Json::object();
  for (const auto& [name, value] : plan.training) training[name] = value;
  return {{"checkpoint", plan.source->where()},
          {"format", plan.format},
          {"key", plan.key_path},
          {"scheme", plan.scheme},
          {"training", std::move(training)},
          {"spec", Json::parse(arch::spec_to_json(plan.spec))},
          {"missing", plan.keys.missing},
          {"unexpected", plan.keys.unexpected},
          {"reshaped", std::move(reshaped)}};
}

// "2 missing" and every name, for those who must act on it; a summary line cuts the list.
std::string keys_text(const arch::KeyReport& keys) {
  std::string out = fmt::format("keys        {} missing, {} unexpected, {} reshaped\n",
                                keys.missing.size(), keys.unexpected.size(), keys.reshaped.size());
  for (const std::string& name : keys.missing) out += fmt::format("  missing     {}\n", name);
  for (const std::string& name : keys.unexpected) out += fmt::format("  unexpected  {}\n", name);
  for (const arch::KeyReport::Reshaped& r : keys.reshaped) {
    out += fmt::format("  reshaped    {}: expected {}, found {}\n", r.name, to_string(r.expected),
                       to_string(r.found));
  }
  return out;
}

std::string training_text(const ImportPlan& plan) {
  std::vector<std::string> words;
  for (const auto& [name, value] : plan.training) words.push_back(name + "=" + value);
  return fmt::format("{}", fmt::join(words, " "));
}

std::string report_text(const ImportPlan& plan) {
  std::string out =
      fmt::format("checkpoint  {} ({}{}, {} names)\n", plan.source->where(), plan.format,
                  plan.key_path.empty() ? "" : ", key " + plan.key_path, plan.scheme);
  if (!plan.training.empty()) out += fmt::format("trained     {}\n", training_text(plan));
  out += fmt::format("model       {}\n", spec_summary(plan.spec));
  return out + keys_text(plan.keys);
}

std::string card(const Context& context, const Options& options, const ImportPlan& plan) {
  Origin origin;
  origin.statement = fmt::format(
      "Imported from `{}` ({}, {} tensor names){}.",
      std::filesystem::path(plan.source->where()).filename().string(), plan.format, plan.scheme,
      plan.keys.clean() ? ""
                        : "; tensors listed below as missing or reshaped have random values, "
                          "unexpected ones were left out");
  origin.details = code_block(keys_text(plan.keys) +
                              (plan.training.empty() ? "" : "trained     " + training_text(plan)));
  origin.command_line = context.command_line;
  return origin_card(options.out, plan.spec, origin);
}

std::vector<std::string> class_names(const Options& options, const ImportPlan& plan) {
  const std::int64_t classes = plan.spec.num_classes;
  if (!options.class_names.empty()) {
    std::vector<std::string> names = read_class_names(options.class_names);
    if (std::ssize(names) == classes) return names;
    throw ConfigError(options.class_names,
                      "expected one name for each of the {} classes, found {} lines", classes,
                      names.size());
  }
  std::vector<std::string> names =
      plan.described ? plan.described->class_names : stored_class_names(*plan.source);
  if (names.empty() || std::ssize(names) == classes) return names;
  log_warning("class names left out: the checkpoint has {} for {} classes", names.size(), classes);
  return {};
}

/// The file's own description, at the size of the model.
image::EvalTransformOptions transform(const ImportPlan& plan) {
  image::EvalTransformOptions out =
      plan.described ? plan.described->transform : default_transform(plan.spec);
  out.height = plan.spec.height;
  out.width = plan.spec.width;
  return out;
}

/// float32 unless the user or the file says otherwise.
std::optional<DType> element_type(const Options& options, const ImportPlan& plan) {
  if (!options.dtype.empty()) return dtype_option(options.dtype);
  if (plan.described) return std::nullopt;
  return DType::kF32;
}

void refuse_partial(const Options& options, const ImportPlan& plan) {
  if (plan.keys.clean() || options.partial) return;
  throw FormatError(plan.source->where(),
                    "the checkpoint does not fit the model: {}; state the model with --model or "
                    "--set, or take what fits with --partial",
                    plan.keys.summary());
}

/// Writes the model folder, or only checks that it could be made.
void import_model(const Context& context, const Options& options, const ImportPlan& plan) {
  refuse_partial(options, plan);
  NewModel model{.spec = plan.spec,
                 .transform = transform(plan),
                 .class_names = class_names(options, plan),
                 .tensors = {},
                 .weight_format = {},
                 .readme = {}};
  apply_settings(model.transform, options.preprocess, "--preprocess");
  model.transform.validate();
  if (options.dry_run) return;
  model.readme = card(context, options, plan);
  model.weight_format = kept_form(plan, element_type(options, plan));
  model.tensors = import_tensors(plan, element_type(options, plan), options.import.seed);
  save_model(options.out, model, options.force);
}

int run(const Context& context, Options options) {
  options.import.checkpoint = options.checkpoint;
  if (!options.key.empty()) options.import.key = options.key == "/" ? "" : options.key;
  if (options.out.empty() && !options.dry_run) {
    throw UsageError("import", "--out is missing; name the folder of the model, or use --dry-run");
  }
  if (!options.dry_run) check_output_folder(options.out, options.force);
  const ImportPlan plan = plan_import(options.import);
  if (!context.json) fmt::print("{}", report_text(plan));
  Json json = report_json(plan);
  const auto print_json = [&] {
    if (!context.json) return;
    fmt::print("{}\n", json.dump(-1, ' ', false, Json::error_handler_t::replace));
  };
  try {
    import_model(context, options, plan);
  } catch (const Error&) {
    print_json();  // the report says what to do about it
    throw;
  }
  if (!options.dry_run) {
    json["out"] = options.out;
    if (!context.json) fmt::print("written     {}\n", options.out);
  }
  print_json();
  return 0;
}

}  // namespace

void add_import(CLI::App& root, Context& context) {
  CLI::App* command =
      add_command(root, "import", "turn a checkpoint of other software into a model folder",
                  "conopa import illama-tiny-in1k-75.0.pth --out models/illama_tiny");
  auto options = std::make_shared<Options>();
  command
      ->add_option("checkpoint", options->checkpoint,
                   ".pth, .safetensors, shard index, .npz, .gguf, or a folder that holds one")
      ->required();
  command->add_option("-o,--out", options->out, "model folder to write");
  command->add_option("-m,--model", options->import.preset,
                      "model name (`conopa models`) instead of inferring it");
  command
      ->add_option("-s,--set", options->import.settings,
                   "spec field key=value (repeatable): heads=6, or rope_scaling=anchor and "
                   "rope_anchor=224 for AS2DRoPE; `conopa inspect` shows all fields")
      ->allow_extra_args(false);
  command->add_option("--key", options->key,
                      "dict inside a .pth, keys joined by /; / = whole file");
  command->add_option("--class-names", options->class_names, "text file, one class name a line");
  command
      ->add_option("--preprocess", options->preprocess,
                   "preprocessing field key=value, e.g. crop_pct=0.9 (repeatable)")
      ->allow_extra_args(false);
  command
      ->add_option(
          "--dtype", options->dtype,
          "element type of the weights: f32, f16 or bf16; left out, f32, or as stored in a "
          "GGUF file of `conopa export`")
      ->check(CLI::IsMember({"f32", "f16", "bf16"}));
  command->add_flag("--partial", options->partial,
                    "accept missing and reshaped tensors (random values) and unexpected ones");
  command->add_option("--seed", options->import.seed, "of the random values")
      ->capture_default_str();
  command->add_flag("-n,--dry-run", options->dry_run, "report only, write nothing");
  command->add_flag("-f,--force", options->force, "replace a model folder at --out");
  command->callback([&context, options] {
    context.action = [&context, options] { return run(context, *options); };
  });
}

}  // namespace conopa::app
