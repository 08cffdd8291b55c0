#include "checkpoint_import.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "conopa/arch/init.h"
#include "conopa/arch/registry.h"
#include "conopa/core/error.h"
#include "conopa/core/log.h"
#include "conopa/io/checkpoint.h"
#include "conopa/io/merged.h"
#include "conopa/io/quantised.h"
#include "model_store.h"
#include "settings.h"
#include "tensor_cast.h"

namespace conopa::app {
namespace {

constexpr std::string_view kSet = "--set";

std::string format_of(const TensorSource& source) {
  if (const auto* pth = dynamic_cast<const PthFile*>(&source)) {
    return pth->is_legacy() ? "PyTorch (legacy)" : "PyTorch";
  }
  if (dynamic_cast<const GgufFile*>(&source) != nullptr) return "GGUF";
  const std::filesystem::path path(source.where());
  if (path.extension() == ".gguf") return "GGUF";  // behind a view of its int8 matrices
  if (path.extension() == ".json") return "sharded";
  return path.extension() == ".npz" || path.extension() == ".npy" ? "NumPy" : "safetensors";
}

// Argument names are Python identifiers; others come from no argument parser.
bool is_identifier(std::string_view name) {
  return !name.empty() && name.size() <= 64 &&
         std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return c < 128 && (std::isalnum(c) != 0 || c == '_'); });
}

bool is_scalar(const PickleValue& value) {
  switch (value.kind()) {
    case PickleKind::kBool:
    case PickleKind::kInt:
    case PickleKind::kFloat:
    case PickleKind::kString:
      return true;
    default:
      return false;
  }
}

// The arguments of the run that wrote the checkpoint: an argparse.Namespace or a plain dict.
void add_arguments(const PickleValue& args, std::vector<std::pair<std::string, std::string>>& out) {
  constexpr std::size_t kMost = 200;
  const std::optional<PickleValue> entries = args.is(PickleKind::kDict) ? args : args.state();
  if (!entries || !entries->is(PickleKind::kDict)) return;
  for (std::int64_t i = 0; i < entries->size() && out.size() < kMost; ++i) {
    const std::optional<std::string_view> name = entries->key(i).as_string();
    const PickleValue value = entries->value(i);
    if (!name || !is_identifier(*name) || !is_scalar(value)) continue;
    // Paths of the machine that trained tell nothing and belong in no model card.
    if (value.as_string() && value.as_string()->find('/') != std::string_view::npos) continue;
    out.emplace_back(fmt::format("args.{}", *name), value.describe(60));
  }
}

std::vector<std::pair<std::string, std::string>> training_state(const TensorSource& source) {
  std::vector<std::pair<std::string, std::string>> out;
  const auto* pth = dynamic_cast<const PthFile*>(&source);
  if (pth == nullptr) return out;
  std::optional<PickleValue> epoch = pth->root().find("epoch");
  if (!epoch) {  // mmengine keeps it in a dict
    if (const auto meta = pth->root().find("meta")) epoch = meta->find("epoch");
  }
  if (epoch && is_scalar(*epoch)) out.emplace_back("epoch", epoch->describe(40));
  if (const auto args = pth->root().find("args")) add_arguments(*args, out);
  return out;
}

arch::EncoderSpec guess_spec(const ImportOptions& options, OpenedCheckpoint& opened,
                             arch::TensorIndex index) {
  // The shapes cannot tell a grid that is not square. A stated size takes the place of the guess,
  // which is then made for a single patch; the comparison of keys checks the statement.
  const auto position = index.find(arch::names::kPosition);
  if (position != index.end() && position->second.size() == 3 &&
      sets_key(options.settings, "height") && sets_key(options.settings, "width")) {
    position->second[1] = 2;
  }
  arch::EncoderSpec guess = arch::guess_spec(index, options.checkpoint.string());
  opened.configured = apply_hub_config(opened.hub, opened.source->where(), guess);
  return guess;
}

// What the guess could be wrong about and nothing in the settings has settled.
void log_doubts(const arch::EncoderSpec& spec, const std::vector<std::string>& settings,
                bool layers_known) {
  const std::string_view key = spec.pyramid() ? "stage_heads" : "heads";
  if (!sets_key(settings, key) && spec.quantization == arch::Quantization::kNone) {
    log_info("{} = {}: the family's rule; give --set {}=... if the model has others", key,
             spec.pyramid() ? fmt::format("[{}]", fmt::join(spec.stage_heads, ", "))
                            : fmt::format("{}", spec.heads),
             key);
  }
  if (spec.decoder != arch::Decoder::kNone && !sets_key(settings, "decoder_heads")) {
    log_info(
        "decoder_heads = {}: the family's rule; give --set decoder_heads=... if the "
        "model has others",
        spec.decoder_heads);
  }
  const arch::Family& family = arch::family(spec.family);
  if (family.doubts == nullptr || layers_known) return;
  for (const std::string& doubt : family.doubts(spec)) log_info("{}", doubt);
}

// Backbone and head of different models: the first tensor of the head file tells its width.
void check_head(const ImportOptions& options, const ImportPlan& plan) {
  for (const arch::KeyReport::Reshaped& reshaped : plan.keys.reshaped) {
    const std::string name =
        arch::to_foreign(arch::family(plan.spec.family), plan.scheme, reshaped.name);
    if (!std::ranges::binary_search(plan.head_names, name)) continue;
    if (reshaped.found.empty() || reshaped.found.back() == reshaped.expected.back()) continue;
    throw FormatError(options.head.string(),
                      "mismatched backbone and head: the backbone {} has width {}, the head is for "
                      "width {}; name the head of the same model",
                      options.checkpoint.string(), plan.spec.dim, reshaped.found.back());
  }
}

}  // namespace

OpenedCheckpoint open_import(const ImportOptions& options) {
  OpenedCheckpoint out;
  std::unique_ptr<TensorSource> source =
      open_checkpoint(options.checkpoint, {.key_path = options.key});
  const auto* pth = dynamic_cast<const PthFile*>(source.get());
  if (options.key && pth == nullptr) {
    throw UsageError("--key", "expected a PyTorch file, found {}; leave out --key",
                     format_of(*source));
  }
  out.format = format_of(*source);
  if (pth != nullptr) {
    out.key_path = pth->selected_path();
    for (const std::string& skipped : pth->skipped()) log_info("not a tensor: {}", skipped);
  }
  out.training = training_state(*source);
  out.described = read_gguf_model(*source);
  out.hub = read_hub_folder(options.checkpoint);
  if (!options.head.empty()) {
    std::vector<std::unique_ptr<TensorSource>> parts;
    parts.push_back(std::move(source));
    parts.push_back(open_checkpoint(options.head));
    out.head_names = parts.back()->names();
    std::ranges::sort(out.head_names);
    source = std::make_unique<MergedSource>(std::move(parts));
  }
  out.source = std::move(source);
  return out;
}

ImportPlan plan_import(const ImportOptions& options, OpenedCheckpoint opened) {
  ImportPlan plan;
  static_cast<OpenedCheckpoint&>(plan) = std::move(opened);
  const arch::TensorIndex index = index_of(*plan.source);
  const bool inferred = options.preset.empty() && !plan.described;
  plan.spec = inferred                 ? guess_spec(options, plan, index)
              : options.preset.empty() ? plan.described->spec
                                       : arch::preset_spec(options.preset);
  if (!options.layers.empty()) {
    plan.spec.read_blocks = arch::probe_blocks(plan.spec, options.layers);
  }
  apply_settings(plan.spec, options.settings, kSet);
  plan.spec.resolve();
  if (inferred && !plan.configured) {
    log_doubts(plan.spec, options.settings, !options.layers.empty());
  }
  const arch::TensorTable table(plan.spec);
  plan.scheme = plan.described ? "canonical" : arch::best_scheme(plan.spec, index);
  plan.keys = arch::compare_keys(table, plan.scheme, index);
  check_head(options, plan);
  return plan;
}

std::optional<QuantForm> kept_form(const ImportPlan& plan, std::optional<DType> dtype) {
  return plan.described && !dtype ? plan.source->quant_form() : std::nullopt;
}

image::EvalTransformOptions import_transform(const ImportPlan& plan) {
  const image::EvalTransformOptions usual = default_transform(plan.spec);
  image::EvalTransformOptions out = plan.described
                                        ? plan.described->transform
                                        : hub_transform(plan.hub, plan.spec, usual).value_or(usual);
  out.height = plan.spec.height;
  out.width = plan.spec.width;
  return out;
}

namespace {

HostTensor checked_cast(const HostTensor& value, std::optional<DType> dtype,
                        const std::string& name) {
  if (const std::int64_t bad = count_nonfinite(value); bad > 0) {
    log_warning("{} has {} values that are not finite", name, bad);
  }
  return dtype ? cast_floats(value, *dtype, name) : value;
}

ComputedTensor initial(const arch::TensorEntry& entry, std::optional<DType> dtype,
                       std::uint64_t seed) {
  return {.name = entry.name,
          .dtype = dtype.value_or(DType::kF32),
          .shape = entry.shape,
          .make = [entry, dtype, seed] {
            return checked_cast(arch::initial_tensor(entry, seed), dtype, entry.name);
          }};
}

ComputedTensor stored(const ImportPlan& plan, const arch::TensorEntry& entry,
                      arch::ForeignTensor foreign, std::optional<DType> dtype) {
  const DType found = plan.source->info(foreign.name).dtype.value_or(DType::kF32);
  const TensorSource& source = *plan.source;
  return {.name = entry.name,
          .dtype = dtype && is_floating(found) ? *dtype : found,
          .shape = entry.shape,
          .make =
              [&source, entry, foreign, dtype] {
                const auto read = [&source](const std::string& name) -> std::optional<HostTensor> {
                  return source.read(name);
                };
                return checked_cast(*arch::read_foreign(foreign, entry, read), dtype, entry.name);
              },
          .release =
              [&source, foreign] {
                source.release(foreign.name);
                for (const std::string& part : foreign.parts) source.release(part);
              }};
}

}  // namespace

std::vector<ComputedTensor> import_tensors(const ImportPlan& plan, std::optional<DType> dtype,
                                           std::uint64_t seed) {
  const arch::TensorTable table(plan.spec);
  std::set<std::string> fresh(plan.keys.missing.begin(), plan.keys.missing.end());
  for (const arch::KeyReport::Reshaped& reshaped : plan.keys.reshaped) fresh.insert(reshaped.name);
  if (fresh.size() == table.entries().size()) {
    throw FormatError(plan.source->where(), "no tensor fits {}; is it another family or size?",
                      plan.spec.family);
  }
  const bool keeps = kept_form(plan, dtype).has_value();
  std::vector<ComputedTensor> out;
  for (const arch::TensorEntry& entry : table.entries()) {
    if (fresh.contains(entry.name)) {
      out.push_back(initial(entry, dtype, seed));
      continue;
    }
    const auto matrix = keeps ? plan.source->read_quantised(entry.name) : std::nullopt;
    if (!matrix) {
      out.push_back(stored(plan, entry, table.foreign(entry.name, plan.scheme), dtype));
      continue;
    }
    std::vector<NamedTensor> parts;  // views of the file
    append_quantised(parts, entry.name, *matrix);
    for (NamedTensor& part : parts) out.push_back(computed(part.name, std::move(part.tensor)));
  }
  return out;
}

}  // namespace conopa::app
