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
#include "pair_folder.h"
#include "pair_import.h"
#include "settings.h"
#include "shard_option.h"
#include "tensor_cast.h"

namespace conopa::app {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  ImportOptions import;
  std::string checkpoint;
  std::string head;
  std::string key;
  std::string out;
  std::string class_names;
  std::vector<std::string> preprocess;
  std::string dtype;
  double shard_gb = kDefaultShardGb;
  bool partial = false;
  bool dry_run = false;
  bool force = false;
};

Json reshaped_json(const arch::KeyReport& keys) {
  Json reshaped = Json::array();
  for (const arch::KeyReport::Reshaped& r : keys.reshaped) {
    reshaped.push_back({{"name", r.name}, {"expected", r.expected}, {"found", r.found}});
  }
  return reshaped;
}

Json report_json(const ImportPlan& plan) {
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
          {"reshaped", reshaped_json(plan.keys)}};
}

Json report_json(const PairPlan& plan) {
  return {{"checkpoint", plan.image.source->where()},
          {"format", plan.image.format},
          {"key", plan.image.key_path},
          {"scheme", plan.image.scheme},
          {"logit_scale", plan.logit_scale},
          {"image", Json::parse(arch::spec_to_json(plan.image.spec))},
          {"text", Json::parse(arch::spec_to_json(plan.text.spec))},
          {"missing", plan.keys.missing},
          {"unexpected", plan.keys.unexpected},
          {"reshaped", reshaped_json(plan.keys)}};
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

std::string checkpoint_text(const ImportPlan& plan) {
  return fmt::format("checkpoint  {} ({}{}, {} names)\n", plan.source->where(), plan.format,
                     plan.key_path.empty() ? "" : ", key " + plan.key_path, plan.scheme);
}

std::string report_text(const PairPlan& plan) {
  return checkpoint_text(plan.image) +
         fmt::format("image       {}\ntext        {}\nscale       exp({})\n",
                     spec_summary(plan.image.spec), spec_summary(plan.text.spec),
                     plan.logit_scale) +
         keys_text(plan.keys);
}

std::string report_text(const ImportPlan& plan) {
  std::string out = checkpoint_text(plan);
  if (!plan.training.empty()) out += fmt::format("trained     {}\n", training_text(plan));
  out += fmt::format("model       {}\n", spec_summary(plan.spec));
  return out + keys_text(plan.keys);
}

std::string card(const Context& context, const std::filesystem::path& out, const ImportPlan& plan) {
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
  return origin_card(out, plan.spec, origin);
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

/// float32 unless the user or the file says otherwise.
std::optional<DType> element_type(const Options& options, const ImportPlan& plan) {
  if (!options.dtype.empty()) return dtype_option(options.dtype);
  if (plan.described) return std::nullopt;
  return DType::kF32;
}

void refuse_partial(const Options& options, const TensorSource& source,
                    const arch::KeyReport& keys) {
  if (keys.clean() || options.partial) return;
  throw FormatError(source.where(),
                    "the checkpoint does not fit the model: {}; state the model with --model or "
                    "--set, or take what fits with --partial",
                    keys.summary());
}

/// Writes the model folder, or only checks that it could be made.
void import_model(const Context& context, const Options& options, const ImportPlan& plan,
                  const std::filesystem::path& out) {
  NewModel model{.spec = plan.spec,
                 .transform = import_transform(plan),
                 .class_names = class_names(options, plan),
                 .tensors = {},
                 .readme = {}};
  apply_settings(model.transform, options.preprocess, "--preprocess");
  model.transform.validate();
  if (options.dry_run) return;
  model.readme = card(context, out, plan);
  model.weight_format = kept_form(plan, element_type(options, plan));
  const ComputedSource tensors(
      import_tensors(plan, element_type(options, plan), options.import.seed));
  model.source = &tensors;
  model.max_shard_bytes = shard_bytes(options.shard_gb);
  save_model(out, model, options.force);
}

/// Both towers and the file that names them, which comes last.
void import_pair(const Context& context, const Options& options, const PairPlan& plan) {
  if (!options.dry_run) prepare_pair_folder(options.out, options.force);
  const PairFolder pair{.path = options.out, .logit_scale = plan.logit_scale};
  import_model(context, options, plan.image, pair.image_path());
  import_model(context, options, plan.text, pair.text_path());
  if (!options.dry_run) write_pair_file(pair);
}

/// Runs an import and reports where it went; a report in JSON comes even if the import fails,
/// because it says what to do about it.
template <typename Import>
int act(const Context& context, const Options& options, Json json, Import import) {
  const auto print_json = [&] {
    if (!context.json) return;
    fmt::print("{}\n", json.dump(-1, ' ', false, Json::error_handler_t::replace));
  };
  try {
    import();
  } catch (const Error&) {
    print_json();
    throw;
  }
  if (!options.dry_run) {
    json["out"] = options.out;
    if (!context.json) fmt::print("written     {}\n", options.out);
  }
  print_json();
  return 0;
}

int run(const Context& context, Options options) {
  options.import.checkpoint = options.checkpoint;
  options.import.head = options.head;
  if (!options.key.empty()) options.import.key = options.key == "/" ? "" : options.key;
  if (options.out.empty() && !options.dry_run) {
    throw UsageError("import", "--out is missing; name the folder of the model, or use --dry-run");
  }
  if (!options.dry_run) check_output_folder(options.out, options.force);
  OpenedCheckpoint opened = open_import(options.import);
  if (const auto pair = plan_pair(options.import, opened)) {
    if (!context.json) fmt::print("{}", report_text(*pair));
    return act(context, options, report_json(*pair), [&] {
      refuse_partial(options, *pair->image.source, pair->keys);
      import_pair(context, options, *pair);
    });
  }
  const ImportPlan plan = plan_import(options.import, std::move(opened));
  if (!context.json) fmt::print("{}", report_text(plan));
  return act(context, options, report_json(plan), [&] {
    refuse_partial(options, *plan.source, plan.keys);
    import_model(context, options, plan, options.out);
  });
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
  command->add_option("--head", options->head,
                      "file with the head's tensors, where the checkpoint is a backbone alone");
  command->add_option("--layers", options->import.layers,
                      "blocks whose average the head reads: last, best (as published for the size) "
                      "or numbers such as 14,15,16");
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
  add_shard_option(*command, options->shard_gb);
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
