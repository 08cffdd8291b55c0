#include "train/checkpointer.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "conopa/core/error.h"
#include "conopa/core/fields_json.h"
#include "conopa/io/atomic_file.h"
#include "conopa/nn/convert.h"
#include "train/files.h"

namespace conopa::train {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kRaw = "weights.";

std::vector<NamedTensor> named(const nn::Parameters& parameters,
                               const std::vector<at::Tensor>& tensors, std::string_view prefix,
                               bool with_frozen) {
  std::vector<NamedTensor> out;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const arch::TensorEntry& entry = parameters.table().entries()[i];
    if (entry.frozen && !with_frozen) continue;
    // Frozen matrices may be kept in fewer bits.
    const bool as_it_is = !entry.frozen;
    out.push_back({std::string(prefix) + entry.name,
                   as_it_is ? host_view(tensors[i]) : nn::to_host(parameters.value(entry.name))});
  }
  return out;
}

void load_weights(const TensorSource& source, std::string_view prefix, nn::Parameters& parameters) {
  const auto get = [&](const std::string& name) -> std::optional<HostTensor> {
    const std::string key = std::string(prefix) + name;
    if (!source.contains(key)) return std::nullopt;
    return source.read(key);
  };
  parameters.load(get, nn::LoadPolicy::kTrained, source.where());
}

}  // namespace

Checkpointer::Checkpointer(const RunFolder& folder, const RunConfig& config, tasks::Task& task,
                           Optimizer& optimizer, WeightAverage* average,
                           std::vector<std::string> class_names,
                           std::optional<llm::FrozenRecord> language)
    : folder_(folder),
      config_(config),
      task_(task),
      optimizer_(optimizer),
      average_(average),
      class_names_(std::move(class_names)),
      language_(std::move(language)) {}

std::string Checkpointer::language_json() const { return language_ ? to_json(*language_) : ""; }

// Weights that were trained around one language block are of no use around another.
void Checkpointer::check_language(const fs::path& path) const {
  const std::optional<llm::FrozenRecord> former = llm::read_record(path);
  if (!former || !language_ || former->hash == language_->hash) return;
  throw FormatError((path / llm::kRecordFile).string(),
                    "expected the language block {} ({}), found {} ({}); set llm.source to the "
                    "language model that the run began with",
                    former->hash, former->description, language_->hash, language_->description);
}

std::string Checkpointer::config_json(double mask_rate) const {
  arch::EncoderSpec spec = task_.spec();
  if (spec.mask == arch::Mask::kSoftCausal) spec.mask_rate = mask_rate;
  return arch::spec_to_json(spec);
}

std::vector<NamedTensor> Checkpointer::model_tensors(bool averaged) const {
  const nn::Parameters& parameters = task_.parameters();
  return named(parameters,
               averaged && average_ != nullptr ? average_->tensors() : parameters.tensors(), "",
               !language_);
}

Metadata Checkpointer::model_metadata() const {
  using Handler = nlohmann::json::error_handler_t;
  return {{"format", "pt"},
          {"class_names", nlohmann::json(class_names_).dump(-1, ' ', false, Handler::replace)}};
}

std::vector<NamedTensor> Checkpointer::resume_tensors() const {
  std::vector<NamedTensor> out = optimizer_.state();
  if (average_ == nullptr) return out;
  const nn::Parameters& parameters = task_.parameters();
  for (NamedTensor& tensor : named(parameters, parameters.tensors(), kRaw, false)) {
    out.push_back(std::move(tensor));
  }
  return out;
}

void Checkpointer::save(const TrainState& state, double mask_rate) const {
  ensure_directory(folder_.checkpoint(""));
  const std::vector<NamedTensor> model = model_tensors(true);
  const std::vector<NamedTensor> resume = resume_tensors();
  save_checkpoint(folder_.checkpoint("last"), {.config_json = config_json(mask_rate),
                                               .preprocessor_json = to_json(config_.eval_transform),
                                               .language_json = language_json(),
                                               .run_json = to_json(config_),
                                               .model = model,
                                               .model_metadata = model_metadata(),
                                               .resume = resume,
                                               .state = state});
}

void Checkpointer::keep_best() const {
  copy_checkpoint(folder_.checkpoint("last"), folder_.checkpoint("best"));
}

void Checkpointer::keep_numbered(std::int64_t epochs) const {
  copy_checkpoint(folder_.checkpoint("last"), folder_.checkpoint(fmt::format("epoch_{}", epochs)));
  const std::vector<std::int64_t> numbers = folder_.numbered();
  const std::int64_t keep = config_.train.keep_last;
  if (keep == 0) return;
  for (std::size_t i = 0; i + static_cast<std::size_t>(keep) < numbers.size(); ++i) {
    std::error_code error;
    const fs::path old = folder_.checkpoint(fmt::format("epoch_{}", numbers[i]));
    fs::remove_all(old, error);
    check_io(old, error, "remove the old checkpoint");
  }
}

TrainState Checkpointer::restore(const fs::path& path) const {
  const Checkpoint checkpoint = open_train_checkpoint(path);
  RunConfig former;
  std::vector<std::string> unknown;  // keys of another version of the program
  from_json(checkpoint.run_json, (path / "run.json").string(), former, &unknown);
  const std::vector<std::string> changed = changed_keys(former, config_);
  if (!changed.empty()) {
    throw ConfigError(path.string(),
                      "the checkpoint was made with other values of {}; resume with the recipe in "
                      "config.toml of the run folder, or start a new run with train.init_from",
                      fmt::join(changed, ", "));
  }
  check_language(path);
  nn::Parameters& parameters = task_.parameters();
  if (average_ != nullptr) {
    average_->load(*checkpoint.model, checkpoint.state.average_updates);
    load_weights(*checkpoint.resume, kRaw, parameters);
  } else {
    load_weights(*checkpoint.model, "", parameters);
  }
  optimizer_.load_state(*checkpoint.resume, checkpoint.state.updates);
  return checkpoint.state;
}

double Checkpointer::load_model(const fs::path& path) const {
  const Checkpoint checkpoint = open_train_checkpoint(path);
  load_weights(*checkpoint.model, "", task_.parameters());
  return arch::spec_from_json(checkpoint.config_json, path.string()).mask_rate;
}

}  // namespace conopa::train
