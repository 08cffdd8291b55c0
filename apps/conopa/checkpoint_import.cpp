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

arch::EncoderSpec infer_spec(const ImportOptions& options, arch::TensorIndex index) {
  // The shapes cannot tell a grid that is not square. A stated size takes the place of the guess,
  // which is then made for a single patch; the comparison of keys checks the statement.
  const auto position = index.find(arch::names::kPosition);
  if (position != index.end() && position->second.size() == 3 &&
      sets_key(options.settings, "height") && sets_key(options.settings, "width")) {
    position->second[1] = 2;
  }
  return arch::infer_model(index, options.checkpoint.string()).spec;
}

// What the guess could be wrong about and nothing in the settings has settled.
void log_doubts(const arch::EncoderSpec& spec, const std::vector<std::string>& settings) {
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
  if (family.doubts == nullptr) return;
  for (const std::string& doubt : family.doubts(spec)) log_info("{}", doubt);
}

/// A matrix that stays quantised, see kept_form.
std::optional<QuantMatrix> stored_matrix(const ImportPlan& plan, std::optional<DType> dtype,
                                         const std::string& name) {
  if (!kept_form(plan, dtype)) return std::nullopt;
  return plan.source->read_quantised(name);
}

}  // namespace

ImportPlan plan_import(const ImportOptions& options) {
  ImportPlan plan;
  plan.source = open_checkpoint(options.checkpoint, {.key_path = options.key});
  const auto* pth = dynamic_cast<const PthFile*>(plan.source.get());
  if (options.key && pth == nullptr) {
    throw UsageError("--key", "expected a PyTorch file, found {}; leave out --key",
                     format_of(*plan.source));
  }
  plan.format = format_of(*plan.source);
  if (pth != nullptr) {
    plan.key_path = pth->selected_path();
    for (const std::string& skipped : pth->skipped()) log_info("not a tensor: {}", skipped);
  }
  const arch::TensorIndex index = index_of(*plan.source);
  plan.described = read_gguf_model(*plan.source);
  const bool inferred = options.preset.empty() && !plan.described;
  plan.spec = inferred                 ? infer_spec(options, index)
              : options.preset.empty() ? plan.described->spec
                                       : arch::preset_spec(options.preset);
  apply_settings(plan.spec, options.settings, kSet);
  plan.spec.resolve();
  if (inferred) log_doubts(plan.spec, options.settings);
  const arch::TensorTable table(plan.spec);
  plan.scheme = plan.described ? "canonical" : arch::best_scheme(plan.spec, index);
  plan.keys = arch::compare_keys(table, plan.scheme, index);
  plan.training = training_state(*plan.source);
  return plan;
}

std::optional<QuantForm> kept_form(const ImportPlan& plan, std::optional<DType> dtype) {
  return plan.described && !dtype ? plan.source->quant_form() : std::nullopt;
}

std::vector<NamedTensor> import_tensors(const ImportPlan& plan, std::optional<DType> dtype,
                                        std::uint64_t seed) {
  const arch::TensorTable table(plan.spec);
  std::set<std::string> fresh(plan.keys.missing.begin(), plan.keys.missing.end());
  for (const arch::KeyReport::Reshaped& reshaped : plan.keys.reshaped) fresh.insert(reshaped.name);
  if (fresh.size() == table.entries().size()) {
    throw FormatError(plan.source->where(), "no tensor fits {}; is it another family or size?",
                      plan.spec.family);
  }
  const auto read = [&](const std::string& name) -> std::optional<HostTensor> {
    return plan.source->read(name);
  };
  std::vector<NamedTensor> out;
  for (const arch::TensorEntry& entry : table.entries()) {
    const arch::ForeignTensor foreign = table.foreign(entry.name, plan.scheme);
    const auto matrix =
        fresh.contains(entry.name) ? std::nullopt : stored_matrix(plan, dtype, entry.name);
    if (matrix) {
      append_quantised(out, entry.name, *matrix);
      continue;
    }
    const HostTensor value = fresh.contains(entry.name) ? arch::initial_tensor(entry, seed)
                                                        : *arch::read_foreign(foreign, entry, read);
    if (const std::int64_t bad = count_nonfinite(value); bad > 0) {
      log_warning("{} has {} values that are not finite", entry.name, bad);
    }
    out.push_back({entry.name, dtype ? cast_floats(value, *dtype, entry.name) : value});
  }
  return out;
}

}  // namespace conopa::app
