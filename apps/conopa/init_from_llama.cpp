// conopa init-from-llama: starts a vision model from a language model by weight selection.

#include <fmt/format.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "command.h"
#include "conopa/arch/init.h"
#include "conopa/arch/registry.h"
#include "conopa/arch/weight_selection.h"
#include "conopa/core/error.h"
#include "conopa/core/log.h"
#include "llama_teacher.h"
#include "model_store.h"
#include "model_text.h"
#include "settings.h"
#include "tensor_cast.h"

namespace conopa::app {
namespace {

struct Options {
  std::string teacher;
  std::string model = "illama_tiny_patch16_224";
  std::vector<std::string> settings;
  std::string out;
  std::uint64_t seed = 0;
  std::string dtype = "f32";
  bool force = false;
};

using Selected = std::map<std::string, HostTensor>;

HostTensor select(const LlamaTeacher& teacher, const arch::SelectionRule& rule) {
  std::vector<HostTensor> parts;
  for (const std::string& name : rule.teachers) parts.push_back(teacher.read(name));
  for (const HostTensor& part : parts) {
    if (part.shape() == parts.front().shape()) continue;
    throw UnsupportedError(teacher.where(),
                           "expected queries, keys and values of one shape, found {} and {}: the "
                           "rule is made for plain multi-head attention; use LLaMA-7B or LLaMA2-7B",
                           to_string(parts.front().shape()), to_string(part.shape()));
  }
  return arch::select_weights(parts.size() == 1 ? parts.front() : arch::concat_rows(parts),
                              rule.shape);
}

Selected select_all(const LlamaTeacher& teacher, const arch::EncoderSpec& spec) {
  if (const std::int64_t layers = teacher.layers(); layers < spec.depth) {
    throw FormatError(teacher.where(),
                      "expected at least the {} layers of the student, found {}; use a deeper "
                      "teacher or --set depth={}",
                      spec.depth, layers, layers);
  }
  Selected out;
  for (const arch::SelectionRule& rule : arch::llama_selection(spec, teacher.naming())) {
    out.emplace(rule.student, select(teacher, rule));
  }
  return out;
}

std::vector<NamedTensor> all_tensors(const arch::EncoderSpec& spec, const Selected& selected,
                                     DType dtype, std::uint64_t seed) {
  std::vector<NamedTensor> out;
  const arch::TensorTable table(spec);
  for (const arch::TensorEntry& entry : table.entries()) {
    const auto it = selected.find(entry.name);
    const HostTensor value = it != selected.end() ? it->second : arch::initial_tensor(entry, seed);
    out.push_back({entry.name, cast_floats(value, dtype, entry.name)});
  }
  return out;
}

std::string_view naming_text(arch::LlamaNaming naming) {
  return naming == arch::LlamaNaming::kMeta ? "Meta" : "Hugging Face";
}

std::string card(const Context& context, const Options& options, const LlamaTeacher& teacher,
                 const arch::EncoderSpec& spec, std::size_t selected) {
  return origin_card(
      options.out, spec,
      {.statement = fmt::format(
           "A start for training, not a trained model: {} tensors (norms, qkv, projection and "
           "feed-forward of every block) were selected from the LLaMA checkpoint `{}` ({} form) "
           "by weight selection (arXiv 2311.18823), all others are random (seed {}).",
           selected, std::filesystem::path(teacher.where()).lexically_normal().filename().string(),
           naming_text(teacher.naming()), options.seed),
       .details = {},
       .command_line = context.command_line});
}

int run(const Context& context, const Options& options) {
  arch::EncoderSpec spec = arch::preset_spec(options.model);
  apply_settings(spec, options.settings, "--set");
  spec.resolve();
  check_output_folder(options.out, options.force);
  const LlamaTeacher teacher(options.teacher);
  const Selected selected = select_all(teacher, spec);
  save_model(options.out,
             {.spec = spec,
              .transform = default_transform(spec),
              .class_names = {},
              .tensors = all_tensors(spec, selected, dtype_option(options.dtype), options.seed),
              .readme = card(context, options, teacher, spec, selected.size())},
             options.force);
  if (teacher.naming() == arch::LlamaNaming::kMeta) {
    log_info(
        "Meta orders the rows of q and k otherwise than Hugging Face; both are taken as they "
        "are, so the two forms of one teacher give different students");
  }
  const std::size_t all = arch::TensorTable(spec).entries().size();
  if (context.json) {
    const nlohmann::ordered_json json{{"out", options.out},
                                      {"teacher", teacher.where()},
                                      {"naming", naming_text(teacher.naming())},
                                      {"parts", teacher.parts()},
                                      {"selected", selected.size()},
                                      {"random", all - selected.size()}};
    fmt::print("{}\n", json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    return 0;
  }
  fmt::print("teacher     {} ({} form, {} layers)\n", teacher.where(),
             naming_text(teacher.naming()), teacher.layers());
  fmt::print("model       {}\n", spec_summary(spec));
  fmt::print("tensors     {} selected, {} random (seed {})\n", selected.size(),
             all - selected.size(), options.seed);
  fmt::print("written     {}\n", options.out);
  return 0;
}

}  // namespace

void add_init_from_llama(CLI::App& root, Context& context) {
  CLI::App* command = add_command(
      root, "init-from-llama", "start a vision model with weights selected from a LLaMA",
      "conopa init-from-llama Llama-2-7b-hf --model illama_tiny_patch16_224 --out models/start\n"
      "  conopa train RECIPE --set train.init_from=models/start");
  auto options = std::make_shared<Options>();
  command
      ->add_option("teacher", options->teacher,
                   "Hugging Face folder, shard index or file, or Meta's consolidated.*.pth")
      ->required();
  command->add_option("-m,--model", options->model, "the student (`conopa models`)")
      ->capture_default_str();
  command->add_option("-s,--set", options->settings, "spec field key=value (repeatable)")
      ->allow_extra_args(false);
  command->add_option("-o,--out", options->out, "model folder to write")->required();
  command->add_option("--seed", options->seed, "of the tensors that are not selected")
      ->capture_default_str();
  command->add_option("--dtype", options->dtype, "element type of the weights: f32, f16 or bf16")
      ->check(CLI::IsMember({"f32", "f16", "bf16"}))
      ->capture_default_str();
  command->add_flag("-f,--force", options->force, "replace a model folder at --out");
  command->callback([&context, options] {
    context.action = [&context, options] { return run(context, *options); };
  });
}

}  // namespace conopa::app
