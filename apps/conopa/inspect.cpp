// conopa inspect: what a model folder, a checkpoint file, a language model or a preset holds.

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "command.h"
#include "conopa/arch/cost.h"
#include "conopa/arch/registry.h"
#include "conopa/core/error.h"
#include "conopa/core/system.h"
#include "conopa/io/checkpoint.h"
#include "conopa/llm/source.h"
#include "gguf_model.h"
#include "inspect_language.h"
#include "model_store.h"
#include "model_text.h"

namespace conopa::app {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct Options {
  std::string target;
  bool tensors = false;
};

struct Inspected {
  std::optional<arch::EncoderSpec> spec;
  std::string scheme = "canonical";
  std::unique_ptr<TensorSource> source;  // none for a preset
  std::string note;                      // why there is no spec
};

Inspected inspect(const std::string& target) {
  Inspected out;
  if (!fs::exists(target)) {
    out.spec = arch::preset_spec(target);  // the error names the nearest preset
    out.spec->resolve();
    return out;
  }
  if (fs::is_directory(target)) {
    StoredModel model = open_model(target);
    out.spec = std::move(model.spec);
    out.source = std::move(model.weights);
    return out;
  }
  out.source = open_checkpoint(target);
  if (std::optional<GgufModel> model = read_gguf_model(*out.source)) {
    out.spec = std::move(model->spec);
    return out;
  }
  try {
    arch::InferredModel model = arch::infer_model(index_of(*out.source), target);
    out.spec = std::move(model.spec);
    out.scheme = std::move(model.scheme);
  } catch (const Error& error) {
    out.note = error.what();
  }
  return out;
}

Json cost_json(const arch::Cost& cost) {
  return {{"total", cost.macs()},
          {"patch_embed", cost.patch_embed},
          {"projections", cost.projections},
          {"attention", cost.attention},
          {"mlp", cost.mlp},
          {"head", cost.head},
          {"neck", cost.neck},
          {"decoder", cost.decoder}};
}

Json stages_json(const arch::EncoderSpec& spec) {
  Json out = Json::array();
  for (const arch::Stage& stage : spec.stages()) {
    out.push_back({{"rows", stage.rows},
                   {"cols", stage.cols},
                   {"dim", stage.dim},
                   {"depth", stage.depth},
                   {"heads", stage.heads},
                   {"mlp_hidden", stage.mlp_hidden},
                   {"window", stage.window},
                   {"reduction", stage.reduction}});
  }
  return out;
}

Json to_json(const Inspected& found) {
  Json out;
  if (found.spec) {
    const arch::Cost cost = arch::count_cost(*found.spec);
    out["spec"] = Json::parse(arch::spec_to_json(*found.spec));
    out["scheme"] = found.scheme;
    out["parameters"] = cost.parameters;
    out["macs"] = cost_json(cost);
    out["stages"] = stages_json(*found.spec);
    const arch::TensorTable table(*found.spec);
    if (found.source) {
      const arch::KeyReport report =
          arch::compare_keys(table, found.scheme, index_of(*found.source));
      out["keys"] = {{"missing", report.missing}, {"unexpected", report.unexpected}};
    }
  } else {
    out["note"] = found.note;
  }
  if (found.source) {
    for (const std::string& name : found.source->names()) {
      const TensorInfo& info = found.source->info(name);
      out["tensors"][name] = {{"dtype", info.dtype_name}, {"shape", info.shape}};
    }
    for (const auto& [key, value] : found.source->metadata()) out["metadata"][key] = value;
  }
  return out;
}

void print_spec(const Inspected& found) {
  const arch::Cost cost = arch::count_cost(*found.spec);
  fmt::print("{}", arch::spec_to_json(*found.spec));
  fmt::print("\n\nparameters  {} ({})\n", cost.parameters,
             format_count(static_cast<double>(cost.parameters)));
  fmt::print("MACs/image  {}\n", cost_text(cost));
  if (found.spec->pyramid()) fmt::print("stages\n{}", stage_table(*found.spec, "  "));
  if (!found.source) return;
  const arch::TensorTable table(*found.spec);
  fmt::print("tensors     {} under {} names: {}\n", found.source->names().size(), found.scheme,
             arch::compare_keys(table, found.scheme, index_of(*found.source)).summary());
}

void print_tensors(const Inspected& found) {
  if (found.source) {
    for (const std::string& name : found.source->names()) {
      const TensorInfo& info = found.source->info(name);
      fmt::print("{:<44} {:<5} {}\n", name, info.dtype_name, to_string(info.shape));
    }
    return;
  }
  const arch::TensorTable table(*found.spec);
  for (const arch::TensorEntry& entry : table.entries()) {
    fmt::print("{:<44} {:<18} layer {:<3}{}{}\n", entry.name, to_string(entry.shape), entry.layer,
               entry.decay ? " decay" : "", entry.trainable ? "" : " buffer");
  }
}

int run(const Context& context, const Options& options) {
  if (llm::LmSource::recognises(options.target)) {
    return inspect_language(context, options.target, options.tensors);
  }
  const Inspected found = inspect(options.target);
  if (context.json) {
    fmt::print("{}\n", to_json(found).dump(-1, ' ', false, Json::error_handler_t::replace));
    return 0;
  }
  if (found.spec) {
    print_spec(found);
  } else {
    fmt::print("no known model: {}\n", found.note);
  }
  if (options.tensors || !found.spec) print_tensors(found);
  return 0;
}

}  // namespace

void add_inspect(CLI::App& root, Context& context) {
  CLI::App* command = add_command(
      root, "inspect", "show spec, tensors, parameters and cost of a model, file or preset",
      "conopa inspect illama_tiny_patch16_224 --tensors");
  auto options = std::make_shared<Options>();
  command
      ->add_option("target", options->target,
                   "model folder, checkpoint file, language model (docs/formats.md) or model name")
      ->required();
  command->add_flag("-t,--tensors", options->tensors, "list every tensor");
  command->callback([&context, options] {
    context.action = [&context, options] { return run(context, *options); };
  });
}

}  // namespace conopa::app
