#include "conopa/arch/registry.h"

#include <algorithm>
#include <charconv>
#include <numeric>

#include "arch/families/families.h"
#include "conopa/core/nearest.h"

namespace conopa::arch {
namespace {

bool matches(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern.front() == '*') {
    return matches(pattern.substr(1), text) || (!text.empty() && matches(pattern, text.substr(1)));
  }
  if (text.empty()) return false;
  return (pattern.front() == '?' || pattern.front() == text.front()) &&
         matches(pattern.substr(1), text.substr(1));
}

// Null for "canonical".
const NamingScheme* find_scheme(const Family& f, std::string_view scheme) {
  if (scheme == "canonical") return nullptr;
  std::vector<std::string_view> known{"canonical"};
  for (const NamingScheme& candidate : f.schemes) {
    if (candidate.name == scheme) return &candidate;
    known.push_back(candidate.name);
  }
  throw ConfigError("model", "family {} has no naming scheme '{}'{}; known: {}", f.name, scheme,
                    did_you_mean(scheme, known), fmt::join(known, ", "));
}

std::vector<std::string_view> preset_names() {
  std::vector<std::string_view> out;
  for (const Family& f : families()) {
    for (const Preset& preset : f.presets) out.push_back(preset.name);
  }
  return out;
}

}  // namespace

std::span<const Family> families() {
  static const std::vector<Family> all{
      illama_family(),  visionllama_family(), visionllama_pyramid_family(),
      lm4v_family(),    point_bert_family(),  vit_family(),
      aim_v1_family(),  aim_v2_family(),      aim_v2_text_family(),
      language_family()};
  return all;
}

const Family& family(std::string_view name) {
  std::vector<std::string_view> known;
  for (const Family& f : families()) {
    if (f.name == name) return f;
    known.push_back(f.name);
  }
  throw ConfigError("model", "unknown family '{}'{}; known: {}", name, did_you_mean(name, known),
                    fmt::join(known, ", "));
}

EncoderSpec preset_spec(std::string_view preset) {
  for (const Family& f : families()) {
    for (const Preset& known : f.presets) {
      if (known.name == preset) return f.make(preset);
    }
  }
  throw ConfigError("model", "unknown model '{}'{}; `conopa models` lists all", preset,
                    did_you_mean(preset, preset_names()));
}

std::vector<Preset> find_presets(std::string_view pattern) {
  std::vector<Preset> out;
  for (const Family& f : families()) {
    for (const Preset& preset : f.presets) {
      if (matches(pattern, preset.name)) out.push_back(preset);
    }
  }
  return out;
}

namespace {

void rename_begin(const NamingScheme& rules, std::string& name) {
  for (const RenameRule& rule : rules.begin) {
    if (!name.starts_with(rule.from)) continue;
    name.replace(0, rule.from.size(), rule.to);
    return;
  }
}

}  // namespace

std::string to_foreign(const Family& f, std::string_view scheme, std::string_view name) {
  const std::vector<std::string> parts = to_foreign_parts(f, scheme, name);
  if (!parts.empty()) return parts.front();
  std::string out(name);
  const NamingScheme* rules = find_scheme(f, scheme);
  if (rules == nullptr) return out;
  for (const RenameRule& rule : rules->replace) {
    const std::size_t at = out.find(rule.from);
    if (at == std::string::npos || !name.starts_with(rule.within)) continue;
    out.replace(at, rule.from.size(), rule.to);
    break;  // one rule per name: a second could rename what the first wrote
  }
  rename_begin(*rules, out);
  return out;
}

std::vector<std::string> to_foreign_parts(const Family& f, std::string_view scheme,
                                          std::string_view name) {
  std::vector<std::string> out;
  const NamingScheme* rules = find_scheme(f, scheme);
  if (rules == nullptr) return out;
  for (const JoinRule& rule : rules->joins) {
    const std::size_t at = name.find(rule.from);
    if (at == std::string_view::npos || !name.starts_with(rule.within)) continue;
    for (const std::string_view to : rule.to) {
      std::string part(name);
      part.replace(at, rule.from.size(), to);
      rename_begin(*rules, part);
      out.push_back(std::move(part));
    }
    break;
  }
  return out;
}

std::string export_scheme(const Family& f, const EncoderSpec& spec, std::string_view scheme) {
  const auto serves = [&spec](const NamingScheme& candidate) {
    return candidate.serves == nullptr || candidate.serves(spec);
  };
  if (f.schemes.empty()) {
    throw UnsupportedError("export",
                           "expected a model that other software can read, found family {}, for "
                           "which no other tensor names are known",
                           f.name);
  }
  std::vector<std::string_view> serving;
  for (const NamingScheme& candidate : f.schemes) {
    if (serves(candidate)) serving.push_back(candidate.name);
  }
  if (scheme.empty() && !serving.empty()) return std::string(serving.front());
  if (!scheme.empty()) {
    const NamingScheme* found = find_scheme(f, scheme);
    if (found != nullptr && serves(*found)) return std::string(scheme);
    const auto longer = std::ranges::find_if(serving, [scheme](std::string_view candidate) {
      return candidate.starts_with(std::string(scheme) + "_");
    });
    if (longer != serving.end() && scheme != "official") return std::string(*longer);
  }
  throw UnsupportedError("export",
                         "{} names hold no model of this spec (mlp {}, class token {}, decoder "
                         "{}); schemes of family {} that do: {}",
                         scheme.empty() ? "foreign" : scheme, enum_name(spec.mlp),
                         enum_name(spec.class_token), enum_name(spec.decoder), f.name,
                         serving.empty() ? "none" : fmt::format("{}", fmt::join(serving, ", ")));
}

std::string pair_scale(const Family& f, std::string_view scheme) {
  const NamingScheme* rules = find_scheme(f, scheme);
  if (rules != nullptr && !rules->pair_scale.empty()) return std::string(rules->pair_scale);
  throw UnsupportedError(
      "export", "{} names of family {} hold no pair of an image and a text tower", scheme, f.name);
}

bool is_flat(const Family& f, std::string_view scheme, std::string_view name) {
  const NamingScheme* rules = find_scheme(f, scheme);
  return rules != nullptr && std::ranges::find(rules->flat, name) != rules->flat.end();
}

std::vector<std::pair<std::string, HostTensor>> derived_tensors(const EncoderSpec& spec,
                                                                std::string_view scheme) {
  const NamingScheme* rules = find_scheme(family(spec.family), scheme);
  if (rules == nullptr || rules->derived == nullptr) return {};
  return rules->derived(spec);
}

bool is_ignored(const Family& f, std::string_view scheme, std::string_view name) {
  const NamingScheme* rules = find_scheme(f, scheme);
  if (rules == nullptr) return false;
  return std::ranges::any_of(rules->ignored, [name](std::string_view pattern) {
    return pattern.starts_with('*') ? name.ends_with(pattern.substr(1)) : name.starts_with(pattern);
  });
}

std::string best_scheme(const EncoderSpec& spec, const TensorIndex& tensors) {
  const TensorTable table(spec);
  std::string best = "canonical";
  std::size_t fewest = compare_keys(table, best, tensors).missing.size();
  for (const NamingScheme& scheme : family(spec.family).schemes) {
    const std::size_t missing = compare_keys(table, scheme.name, tensors).missing.size();
    if (missing >= fewest) continue;
    fewest = missing;
    best = scheme.name;
  }
  return best;
}

EncoderSpec guess_spec(const TensorIndex& tensors, std::string_view where) {
  for (const Family& f : families()) {
    if (std::optional<EncoderSpec> spec = f.infer(tensors)) return std::move(*spec);
  }
  std::vector<std::string_view> known;
  for (const Family& f : families()) known.push_back(f.name);
  throw FormatError(where,
                    "expected the tensors of a known family ({}), found {} tensors{}; "
                    "name the model with --model",
                    fmt::join(known, ", "), tensors.size(),
                    tensors.empty() ? std::string() : " such as " + tensors.begin()->first);
}

InferredModel infer_model(const TensorIndex& tensors, std::string_view where) {
  EncoderSpec spec = guess_spec(tensors, where);
  spec.resolve();
  std::string scheme = best_scheme(spec, tensors);
  return {std::move(spec), std::move(scheme)};
}

std::optional<InferredPair> infer_pair(const TensorIndex& tensors,
                                       const std::function<void(EncoderSpec& guess)>& configure) {
  const auto finish = [&](EncoderSpec guess) -> InferredModel {
    if (configure) configure(guess);
    guess.resolve();
    std::string scheme = best_scheme(guess, tensors);
    return {std::move(guess), std::move(scheme)};
  };
  for (const Family& f : families()) {
    if (f.text_partner.empty()) continue;
    const auto scheme = std::ranges::find_if(f.schemes, [&](const NamingScheme& candidate) {
      return !candidate.pair_scale.empty() && tensors.contains(candidate.pair_scale);
    });
    if (scheme == f.schemes.end()) continue;
    const Family& partner = family(f.text_partner);
    std::optional<EncoderSpec> image = f.infer(tensors);
    std::optional<EncoderSpec> text = partner.infer(tensors);
    if (!image || !text) continue;
    return InferredPair{.image = finish(std::move(*image)),
                        .text = finish(std::move(*text)),
                        .logit_scale = std::string(scheme->pair_scale)};
  }
  return std::nullopt;
}

namespace {

std::vector<std::int64_t> listed_blocks(std::string_view layers) {
  std::vector<std::int64_t> out;
  while (true) {
    const std::string_view word = layers.substr(0, layers.find(','));
    std::int64_t block = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), block);
    if (error != std::errc{} || end != word.data() + word.size()) {
      throw ConfigError("--layers", "expected last, best or numbers such as 14,15,16, got '{}'",
                        word);
    }
    out.push_back(block);
    if (word.size() == layers.size()) return out;
    layers.remove_prefix(word.size() + 1);
  }
}

}  // namespace

std::vector<std::int64_t> probe_blocks(const EncoderSpec& spec, std::string_view layers) {
  const Family& owner = family(spec.family);
  if (layers == "best") {
    std::vector<std::int64_t> best;
    if (owner.best_blocks != nullptr) best = owner.best_blocks(spec);
    if (!best.empty()) return best;
    throw UnsupportedError("--layers",
                           "no best layers are published for family {} with {} blocks of width {}; "
                           "name the blocks, as in --layers 10,11",
                           owner.name, spec.depth, spec.dim);
  }
  if (layers != "last") return listed_blocks(layers);
  const std::int64_t count = std::min(owner.probed_blocks, spec.depth);
  std::vector<std::int64_t> last(static_cast<std::size_t>(count));
  std::iota(last.begin(), last.end(), spec.depth - count);
  return last;
}

}  // namespace conopa::arch
