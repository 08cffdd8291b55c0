#include "conopa/llm/layers.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>

#include "conopa/core/error.h"

namespace conopa::llm {
namespace {

constexpr std::string_view kWhere = "layers";

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return {};
  return value;
}

std::int64_t one_layer(std::string_view word, std::int64_t layers) {
  if (word == "last") return layers - 1;
  const std::optional<std::int64_t> value = number(word);
  if (!value) {
    throw ConfigError(kWhere,
                      "expected a layer such as 15, -1 or last, a range 0-3, or a list 30,31, got "
                      "'{}'",
                      word);
  }
  if (*value >= layers || *value < -layers) {
    throw ConfigError(kWhere, "expected one of the layers 0..{}, got {}", layers - 1, *value);
  }
  return *value < 0 ? *value + layers : *value;
}

void append(std::vector<std::int64_t>& out, std::int64_t layer) {
  if (std::ranges::find(out, layer) != out.end()) {
    throw ConfigError(kWhere, "expected every layer once, got layer {} twice", layer);
  }
  out.push_back(layer);
}

void append_word(std::vector<std::int64_t>& out, std::string_view word, std::int64_t layers) {
  // A minus sign in front belongs to a number; one behind the first character makes a range.
  const std::size_t dash = word.empty() ? std::string_view::npos : word.find('-', 1);
  if (dash == std::string_view::npos) return append(out, one_layer(word, layers));
  const std::int64_t first = one_layer(trimmed(word.substr(0, dash)), layers);
  const std::int64_t last = one_layer(trimmed(word.substr(dash + 1)), layers);
  if (first > last) {
    throw ConfigError(kWhere, "expected a range that counts upwards, got '{}'", word);
  }
  for (std::int64_t layer = first; layer <= last; ++layer) append(out, layer);
}

}  // namespace

std::vector<std::int64_t> parse_layers(std::string_view text, std::int64_t layers) {
  CONOPA_ASSERT(layers >= 1);
  std::vector<std::int64_t> out;
  for (std::string_view rest = text;;) {
    const std::size_t comma = rest.find(',');
    append_word(out, trimmed(rest.substr(0, comma)), layers);
    if (comma == std::string_view::npos) return out;
    rest.remove_prefix(comma + 1);
  }
}

}  // namespace conopa::llm
