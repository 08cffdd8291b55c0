#include "conopa/llm/frozen.h"

#include <fmt/ranges.h>

#include <system_error>
#include <utility>

#include "conopa/arch/init.h"
#include "conopa/arch/tensor_table.h"
#include "conopa/core/error.h"
#include "conopa/core/fields_json.h"
#include "conopa/io/mapped_file.h"
#include "conopa/llm/source.h"

namespace conopa::llm {
namespace {

namespace fs = std::filesystem;
namespace names = arch::names;

// A checkpoint and, beside it, tensors in memory.
class JoinedSource : public TensorSource {
 public:
  JoinedSource(std::unique_ptr<TensorSource> weights, LmTensors tensors)
      : TensorSource(weights->where()), weights_(std::move(weights)), tensors_(std::move(tensors)) {
    for (const std::string& name : weights_->names()) add(name, weights_->info(name));
    for (const auto& [name, tensor] : tensors_) {
      add(name, {tensor.dtype(), std::string(dtype_name(tensor.dtype())), tensor.shape()});
    }
    set_metadata(weights_->metadata());
  }

  [[nodiscard]] std::optional<QuantMatrix> read_quantised(std::string_view name) const override {
    if (tensors_.contains(std::string(name))) return std::nullopt;
    return weights_->read_quantised(name);
  }
  [[nodiscard]] std::optional<QuantForm> quant_form() const noexcept override {
    return weights_->quant_form();
  }
  void release(std::string_view name) const noexcept override { weights_->release(name); }

 protected:
  [[nodiscard]] HostTensor load(std::size_t index) const override {
    const std::string& name = names()[index];
    const auto own = tensors_.find(name);
    return own == tensors_.end() ? weights_->read(name) : own->second;
  }

 private:
  std::unique_ptr<TensorSource> weights_;
  LmTensors tensors_;
};

std::vector<arch::TensorEntry> language_entries(const arch::EncoderSpec& spec) {
  std::vector<arch::TensorEntry> out;
  const arch::TensorTable table(spec);
  for (const arch::TensorEntry& entry : table.entries()) {
    if (names::of_language_model(entry.name)) out.push_back(entry);
  }
  return out;
}

LmTensors random_tensors(const FrozenRecord& record, const arch::EncoderSpec& spec) {
  LmTensors out;
  for (const arch::TensorEntry& entry : language_entries(spec)) {
    out.emplace(entry.name, arch::initial_tensor(entry, static_cast<std::uint64_t>(record.seed)));
  }
  return out;
}

void check_shape(const LmSource& source, const FrozenRecord& record,
                 const arch::EncoderSpec& spec) {
  arch::LanguageBlock theirs = spec.llm;
  take_shape(source.config(), static_cast<std::int64_t>(record.layers.size()), theirs);
  const arch::LanguageBlock& ours = spec.llm;
  if (ours.dim == theirs.dim && ours.heads == theirs.heads && ours.hidden == theirs.hidden &&
      ours.depth == theirs.depth && ours.norm == theirs.norm && ours.mlp == theirs.mlp &&
      ours.bias == theirs.bias && ours.post_norm == theirs.post_norm) {
    return;
  }
  throw ConfigError(source.where(),
                    "expected {} layers of width {}, {} heads and feed-forward width {} for the "
                    "model's language block, found {} of {}, {} and {} (layers {}); give the "
                    "language model that the block was made for, or leave llm_dim, llm_heads, "
                    "llm_hidden and llm_depth to it",
                    ours.depth, ours.dim, ours.heads, ours.hidden, theirs.depth, theirs.dim,
                    theirs.heads, theirs.hidden, fmt::join(record.layers, ", "));
}

}  // namespace

void FrozenRecord::visit(FieldVisitor& v) {
  v.field("source", source, "path of the language model; empty: random tensors");
  v.field("layers", layers, "its layers, 0-based");
  enum_field(v, "norm", norm, "weights of the norm behind them");
  v.field("seed", seed, "of random tensors");
  v.field("description", description, "what the source is");
  v.field("hash", hash, "of names, shapes and values");
}

void take_shape(const LmConfig& config, std::int64_t count, arch::LanguageBlock& block) {
  block.dim = config.dim;
  block.heads = config.heads;
  block.hidden = config.hidden;
  block.depth = count;
  block.norm = config.norm;
  block.norm_eps = config.norm_eps;
  block.mlp = config.relu ? arch::Mlp::kRelu : arch::Mlp::kSwiglu;
  block.bias = config.bias;
  block.post_norm = config.post_norm;
  // The wiring of models with biases and layer norms is unpublished; theirs has no norm behind.
  block.final_norm = config.norm == arch::Norm::kRms;
}

LmTensors read_frozen(const FrozenRecord& record, const arch::EncoderSpec& spec) {
  if (record.source.empty()) return random_tensors(record, spec);
  const LmSource source = LmSource::open(record.source);
  check_shape(source, record, spec);
  LmTensors out;
  for (std::size_t j = 0; j < record.layers.size(); ++j) {
    const std::string prefix = names::language_layer(static_cast<std::int64_t>(j)) + ".";
    for (auto& [name, tensor] : source.layer(record.layers[j])) {
      out.emplace(prefix + name, std::move(tensor));
    }
  }
  if (record.norm == LastNorm::kLoaded) {
    for (auto& [name, tensor] : source.final_norm()) {  // "norm.weight"
      const std::string part = name.substr(names::kFinalNorm.size());
      out.emplace(std::string(names::kLanguageNorm) + part, std::move(tensor));
    }
  }
  LmTensors wanted;
  for (const arch::TensorEntry& entry : language_entries(spec)) {
    const auto found = out.find(entry.name);
    if (found != out.end()) {
      wanted.emplace(entry.name, std::move(found->second));
      continue;
    }
    if (!entry.name.starts_with(names::kLanguageNorm)) {  // the last norm begins with ones
      throw FormatError(source.where(), "expected {} for the language block, found none",
                        entry.name);
    }
    wanted.emplace(entry.name, arch::initial_tensor(entry, 0));
  }
  return wanted;
}

std::optional<FrozenRecord> read_record(const fs::path& folder) {
  const fs::path file = folder / kRecordFile;
  std::error_code error;
  if (!fs::exists(file, error)) return std::nullopt;
  FrozenRecord record;
  from_json(read_text_file(file), file.string(), record);
  return record;
}

std::unique_ptr<TensorSource> with_frozen(std::unique_ptr<TensorSource> weights,
                                          const arch::EncoderSpec& spec, const fs::path& folder) {
  const std::vector<arch::TensorEntry> entries = language_entries(spec);
  if (entries.empty() || weights->contains(entries.front().name)) return weights;
  const std::optional<FrozenRecord> record = read_record(folder);
  if (!record) return weights;
  std::error_code missing;
  if (!record->source.empty() && !fs::exists(record->source, missing)) {
    throw IoError(
        (folder / kRecordFile).string(),
        "the model's language block lies in '{}' ({}), which is not there; bring it back, "
        "or set \"source\" in this file to where it is now",
        record->source, record->description);
  }
  LmTensors tensors = read_frozen(*record, spec);
  const std::string hash = LmSource::hash_of(tensors);
  if (hash != record->hash) {
    throw FormatError((folder / kRecordFile).string(),
                      "expected the language block {} ({}), found another one ({}) in '{}'; give "
                      "the language model that the model was trained with",
                      record->hash, record->description, hash, record->source);
  }
  return std::make_unique<JoinedSource>(std::move(weights), std::move(tensors));
}

}  // namespace conopa::llm
