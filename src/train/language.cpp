#include "conopa/train/language.h"

#include <charconv>
#include <filesystem>

#include "conopa/core/error.h"
#include "conopa/core/log.h"
#include "conopa/llm/layers.h"
#include "conopa/llm/source.h"

namespace conopa::train {
namespace {

constexpr double kMlpNormEps = 1e-5;  // the framework's default

bool takes_weights(LanguageMode mode) {
  return mode == LanguageMode::kFrozen || mode == LanguageMode::kFinetune ||
         mode == LanguageMode::kOnlyMlp;
}

std::int64_t place_of(std::string_view text, std::int64_t depth) {
  if (text == "tail") return depth;
  if (text == "middle") return depth / 2;
  if (text == "head") return 0;
  std::int64_t number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0 || number > depth) {
    throw ConfigError("llm", "place must be head, middle, tail or 0..{} blocks, got '{}'", depth,
                      text);
  }
  return number;
}

llm::FrozenRecord record_of(const LanguageOptions& options, std::int64_t seed) {
  llm::FrozenRecord record{.norm = options.norm, .seed = seed};
  if (!takes_weights(options.mode)) {
    record.description = "random tensors";
    return record;
  }
  const llm::LmSource source = llm::LmSource::open(options.source);
  // The model folder may be opened from elsewhere.
  record.source = std::filesystem::absolute(options.source).lexically_normal().string();
  record.layers = llm::parse_layers(options.layers, source.config().layers);
  record.description = source.describe();
  return record;
}

}  // namespace

void LanguageOptions::visit(FieldVisitor& v) {
  enum_field(v, "mode", mode, "what stands between the mappers, and what is trained of it");
  v.field("source", source, "language model: folder or file (Meta, Hugging Face, GGUF)");
  v.field("layers", layers, "its layers: last, 15, 30,31, 0-3");
  v.field("place", place, "head, middle, tail, or how many blocks run before it");
  enum_field(v, "norm", norm, "weights of the norm behind the layers");
  enum_field(v, "storage", storage, "how frozen matrices are kept while training");
}

void LanguageOptions::apply(arch::EncoderSpec& spec) const {
  if (mode == LanguageMode::kNone) {
    if (source.empty()) return;
    throw ConfigError("llm", "source is set, but no mode; set mode = \"frozen\"");
  }
  if (takes_weights(mode) && source.empty()) {
    throw ConfigError("llm", "mode = \"{}\" needs the weights of a language model; set llm.source",
                      enum_name(mode));
  }
  arch::LanguageBlock& block = spec.llm;
  if (!source.empty()) {
    const llm::LmSource opened = llm::LmSource::open(source);
    const auto chosen = llm::parse_layers(layers, opened.config().layers);
    llm::take_shape(opened.config(), std::ssize(chosen), block);
  }
  block.unit = mode == LanguageMode::kMlp       ? arch::LanguageUnit::kMlp
               : mode == LanguageMode::kOnlyMlp ? arch::LanguageUnit::kOnlyMlp
                                                : arch::LanguageUnit::kBlock;
  block.trainable = mode == LanguageMode::kFinetune || mode == LanguageMode::kRandom;
  block.after = place_of(place, spec.depth);
  if (mode == LanguageMode::kMlp) block.norm_eps = kMlpNormEps;
}

std::optional<llm::FrozenRecord> load_language(const LanguageOptions& options,
                                               const arch::EncoderSpec& spec, std::int64_t seed,
                                               nn::Parameters& parameters) {
  parameters.store_frozen(options.storage);
  if (!takes_weights(options.mode) && options.mode != LanguageMode::kFrozenRandom) {
    return std::nullopt;
  }
  llm::FrozenRecord record = record_of(options, seed);
  const llm::LmTensors tensors = llm::read_frozen(record, spec);
  record.hash = llm::LmSource::hash_of(tensors);
  const auto get = [&tensors](const std::string& name) -> std::optional<HostTensor> {
    const auto found = tensors.find(name);
    if (found == tensors.end()) return std::nullopt;
    return found->second;
  };
  static_cast<void>(parameters.load(get, nn::LoadPolicy::kPartial, options.source));
  log_info("language block: {}, hash {}", record.description, record.hash);
  if (spec.llm.trainable) return std::nullopt;  // the checkpoint holds what training made of it
  return record;
}

}  // namespace conopa::train
