#include "conopa/train/initial_weights.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <system_error>

#include "conopa/arch/position_resize.h"
#include "conopa/arch/registry.h"
#include "conopa/arch/rotary.h"
#include "conopa/core/error.h"
#include "conopa/core/log.h"
#include "conopa/io/checkpoint.h"
#include "conopa/io/mapped_file.h"

namespace conopa::train {
namespace {

namespace fs = std::filesystem;

/// A checkpoint under canonical names.
struct SourceModel {
  std::unique_ptr<TensorSource> tensors;
  std::string scheme = "canonical";
  std::optional<arch::EncoderSpec> spec;
  bool stated = false;  ///< the spec is the checkpoint's own, not guessed from shapes
};

arch::TensorIndex index_of(const TensorSource& source) {
  arch::TensorIndex index;
  for (const std::string& name : source.names()) index.emplace(name, source.info(name).shape);
  return index;
}

SourceModel open_source(const fs::path& path, const arch::TensorTable& table) {
  SourceModel out;
  std::error_code error;
  const bool folder = fs::is_directory(path, error);
  // A run's checkpoint has training.safetensors beside the model.
  const fs::path weights = path / "model.safetensors";
  out.tensors = open_checkpoint(folder && fs::exists(weights, error) ? weights : path);
  if (folder && fs::exists(path / "config.json", error)) {
    const fs::path config = path / "config.json";
    out.spec = arch::spec_from_json(read_text_file(config), config.string());
    out.stated = true;
    return out;
  }
  std::size_t known = 0;
  for (const arch::TensorEntry& entry : table.entries()) {
    known += out.tensors->contains(entry.name) ? 1 : 0;
  }
  if (2 * known >= table.entries().size()) return out;
  arch::InferredModel inferred = arch::infer_model(index_of(*out.tensors), path.string());
  out.scheme = inferred.scheme;
  out.spec = std::move(inferred.spec);
  return out;
}

// Weights that learned one coordinate rule are of no use under another.
void check_rotary_rule(const SourceModel& source, const arch::EncoderSpec& spec, InitPolicy policy,
                       const fs::path& path) {
  if (!source.stated || arch::rotary_rules_agree(*source.spec, spec)) return;
  const std::string theirs = arch::rotary_rule(*source.spec);
  const std::string ours = arch::rotary_rule(spec);
  if (policy == InitPolicy::kStrict) {
    throw ConfigError(
        path.string(),
        "the weights were trained with the rotary rule '{}', the model has '{}'; set "
        "the model's rope fields to theirs, or train.init_policy = \"partial\" to go on",
        theirs, ours);
  }
  log_warning("{}: trained with the rotary rule '{}', the model has '{}'", path.string(), theirs,
              ours);
}

// Whether the source reconstructs masked patches; bare files without a spec show it by a tensor.
bool is_autoencoder(const SourceModel& source) {
  if (source.spec) return source.spec->decoder != arch::Decoder::kNone;
  return source.tensors->contains(std::string(arch::names::kMaskToken));
}

// An auto-encoder's final norm serves its decoder token by token. A model that normalises the mean
// instead begins with a norm of its own, as in the released fine-tuning and probes.
bool begins_fresh(const SourceModel& source, const arch::EncoderSpec& spec, InitPolicy policy,
                  const std::string& name) {
  return policy == InitPolicy::kPartial && spec.read_out == arch::ReadOut::kMeanNorm &&
         is_autoencoder(source) && name.starts_with(std::string(arch::names::kFinalNorm) + ".");
}

// "36 tensors of the checkpoint left out (cls_token, decoder)"; empty if all were read.
std::string left_out(const SourceModel& source, const arch::EncoderSpec& spec,
                     const std::set<std::string>& read) {
  const bool foreign = source.scheme != "canonical";
  std::int64_t count = 0;
  std::set<std::string> parts;  // first components of the names
  for (const std::string& name : source.tensors->names()) {
    if (read.contains(name)) continue;
    if (foreign && arch::is_ignored(arch::family(spec.family), source.scheme, name)) continue;
    ++count;
    parts.insert(name.substr(0, name.find('.')));
  }
  if (count == 0) return "";
  return fmt::format("{} tensors of the checkpoint left out ({})", count, fmt::join(parts, ", "));
}

// Whether nothing but low-rank branches and parts of the head start fresh, as they do when a
// pre-trained model is fine-tuned or probed.
bool expected_fresh(const arch::KeyReport& report) {
  return report.reshaped.empty() && report.unexpected.empty() &&
         std::ranges::any_of(report.missing, arch::names::is_lora) &&
         std::ranges::all_of(report.missing, [](const std::string& name) {
           return arch::names::is_lora(name) ||
                  name.starts_with(std::string(arch::names::kHead) + ".") ||
                  name.starts_with(std::string(arch::names::kHeadNorm) + ".");
         });
}

}  // namespace

arch::KeyReport load_initial_weights(const fs::path& path, const arch::EncoderSpec& spec,
                                     nn::Parameters& parameters, InitPolicy policy) {
  const SourceModel source = open_source(path, parameters.table());
  check_rotary_rule(source, spec, policy, path);
  bool resized = false;
  std::set<std::string> read;
  const arch::TensorTable& table = parameters.table();
  const auto get = [&](const std::string& name) -> std::optional<HostTensor> {
    const arch::ForeignTensor foreign = table.foreign(name, source.scheme);
    if (begins_fresh(source, spec, policy, name)) return std::nullopt;
    const arch::TensorEntry& entry = *table.find(name);
    const auto read_one = [&](const std::string& part) -> std::optional<HostTensor> {
      if (!source.tensors->contains(part)) return std::nullopt;
      read.insert(part);
      return source.tensors->read(part);
    };
    std::optional<HostTensor> found = arch::read_foreign(foreign, entry, read_one);
    if (!found) return std::nullopt;
    HostTensor value = std::move(*found);
    if (source.spec && value.shape() != entry.shape && arch::is_position(*source.spec, name) &&
        arch::positions_fit(*source.spec, spec)) {
      value = arch::resize_position(*source.spec, spec, name, value);
      resized = true;
    }
    return value;
  };
  const arch::KeyReport report = parameters.load(
      get, policy == InitPolicy::kStrict ? nn::LoadPolicy::kStrict : nn::LoadPolicy::kPartial,
      path.string());
  if (report.missing.size() + report.reshaped.size() == parameters.size()) {
    throw FormatError(path.string(), "no tensor fits the model; is it another family or size?");
  }
  if (resized) log_info("position embedding resized to {}x{}", spec.grid_rows(), spec.grid_cols());
  const std::string unread = left_out(source, spec, read);
  if (expected_fresh(report)) {
    log_info("initial weights from {}: {} tensors of LoRA branches and head start fresh{}{}",
             path.string(), report.missing.size(), unread.empty() ? "" : "; ", unread);
  } else if (!report.clean()) {
    log_warning("initial weights from {}: {}{}{}", path.string(), report.summary(),
                unread.empty() ? "" : "; ", unread);
  } else if (!unread.empty()) {
    log_info("initial weights from {}: {}", path.string(), unread);
  }
  return report;
}

}  // namespace conopa::train
