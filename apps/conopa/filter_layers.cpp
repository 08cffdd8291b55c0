#include "filter_layers.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>

#include "conopa/core/error.h"
#include "conopa/core/nearest.h"

namespace conopa::app {
namespace {

constexpr std::string_view kMap = "_attn_map";
constexpr std::string_view kUnit = "llm_";

bool digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }

// Cuts the leading number off, without zeros in front.
std::string_view take_number(std::string_view& text) {
  std::size_t length = 0;
  while (length < text.size() && digit(text[length])) ++length;
  std::string_view number = text.substr(0, length);
  text.remove_prefix(length);
  while (number.size() > 1 && number.front() == '0') number.remove_prefix(1);
  return number;
}

bool has(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

bool is_block_output(std::string_view name) {
  return name.find("block") != std::string_view::npos && name.ends_with("_out") &&
         !name.ends_with("_attn_out") && !name.ends_with("_mlp_out");
}

std::vector<std::string> unit_layers(const std::vector<std::string>& names) {
  std::vector<std::string> branches;
  for (const std::string& name : names) {
    if (!name.starts_with(kUnit)) continue;
    if (name.ends_with("_attn_out") || name.ends_with("_mlp_out")) branches.push_back(name);
  }
  std::ranges::sort(branches, natural_less);
  std::vector<std::string> out;
  for (const char* name : {"encoder_out", "llm_mapper1"}) {
    if (has(names, name)) out.emplace_back(name);
  }
  out.insert(out.end(), branches.begin(), branches.end());
  if (has(names, "llm_mapper2")) out.emplace_back("llm_mapper2");
  return out;
}

std::vector<std::string> plain_layers(const std::vector<std::string>& names) {
  std::vector<std::string> blocks;
  std::ranges::copy_if(names, std::back_inserter(blocks), is_block_output);
  std::ranges::sort(blocks, natural_less);
  std::vector<std::string> out;
  if (blocks.size() > 1) out.push_back(*(blocks.end() - 2));
  if (!blocks.empty()) {
    const std::string& last = blocks.back();
    const std::string prefix = last.substr(0, last.size() - std::string_view("_out").size());
    for (const char* branch : {"_attn_out", "_mlp_out"}) {
      if (has(names, prefix + branch)) out.push_back(prefix + branch);
    }
    out.push_back(last);
  }
  for (const char* name : {"read_tokens", "final_norm"}) {
    if (has(names, name)) out.emplace_back(name);
  }
  return out;
}

}  // namespace

bool natural_less(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty()) {
    if (digit(a.front()) && digit(b.front())) {
      const std::string_view left = take_number(a);
      const std::string_view right = take_number(b);
      if (left.size() != right.size()) return left.size() < right.size();
      if (left != right) return left < right;
      continue;
    }
    if (a.front() != b.front()) return a.front() < b.front();
    a.remove_prefix(1);
    b.remove_prefix(1);
  }
  return a.size() < b.size();
}

std::vector<std::string> default_filter_layers(const std::vector<std::string>& names) {
  const bool unit =
      std::ranges::any_of(names, [](const std::string& name) { return name.starts_with(kUnit); });
  return unit ? unit_layers(names) : plain_layers(names);
}

std::vector<std::string> chosen_filter_layers(std::string_view text,
                                              const std::vector<std::string>& names) {
  if (text.empty()) return default_filter_layers(names);
  std::vector<std::string> known;
  std::ranges::copy_if(names, std::back_inserter(known),
                       [](const std::string& name) { return !name.ends_with(kMap); });
  std::vector<std::string> out;
  while (true) {
    const std::size_t comma = std::min(text.find(','), text.size());
    const std::string word(text.substr(0, comma));
    if (!has(known, word)) {
      throw ConfigError("--layers", "expected layers among {}, got '{}'{}", fmt::join(known, ", "),
                        word, did_you_mean(word, known));
    }
    if (has(out, word)) throw ConfigError("--layers", "{} is given twice; name it once", word);
    out.push_back(word);
    if (comma == text.size()) return out;
    text.remove_prefix(comma + 1);
  }
}

std::optional<std::string> baseline_attention(const std::vector<std::string>& names) {
  std::optional<std::string> best;
  for (const std::string& name : names) {
    if (!name.ends_with(kMap)) continue;
    const bool unit = name.starts_with(kUnit);
    const bool best_unit = best && best->starts_with(kUnit);
    if (!best || unit > best_unit || (unit == best_unit && natural_less(*best, name))) best = name;
  }
  return best;
}

TokenPlaces places_of(const arch::EncoderSpec& spec, std::int64_t tokens, std::string_view layer) {
  const std::vector<arch::Stage> stages = spec.stages();
  for (auto stage = stages.rbegin(); stage != stages.rend(); ++stage) {
    const std::int64_t others = tokens - stage->tokens();
    if (others != 0 && !(others == 1 && spec.has_class_token())) continue;
    const bool behind = spec.class_token == arch::ClassToken::kBack;
    return {.rows = stage->rows, .cols = stage->cols, .first = others == 1 && !behind ? 1 : 0};
  }
  throw UnsupportedError(
      "--layers", "the {} tokens of {} are no map of patches; choose another layer", tokens, layer);
}

}  // namespace conopa::app
