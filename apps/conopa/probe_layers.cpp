#include "probe_layers.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <optional>

#include "conopa/core/error.h"

namespace conopa::app {
namespace {

using Blocks = std::vector<std::int64_t>;

constexpr std::string_view kOption = "--layers";

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> out;
  while (true) {
    const std::size_t end = text.find(at);
    std::string_view part = text.substr(0, end);
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    out.push_back(part);
    if (end == std::string_view::npos) return out;
    text.remove_prefix(end + 1);
  }
}

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Blocks range(std::int64_t first, std::int64_t count) {
  Blocks out(static_cast<std::size_t>(count));
  std::iota(out.begin(), out.end(), first);
  return out;
}

/// Reads candidates against one model.
class Reader {
 public:
  explicit Reader(const arch::EncoderSpec& spec) : spec_(spec) {}

  // A word stands for several candidates (all), numbers for one.
  [[nodiscard]] std::vector<Blocks> candidates(std::string_view word) const {
    if (word == "final") return {{}};
    if (word == "own") return {spec_.read_blocks};
    if (word == "last") return {spec_.read_blocks.empty() ? Blocks{} : Blocks{spec_.depth - 1}};
    if (word.starts_with("last")) {
      const std::int64_t count = neighbours(word, word.substr(4));
      return {range(spec_.depth - count, count)};
    }
    if (word.starts_with("all")) {
      const std::int64_t count = word == "all" ? 1 : neighbours(word, word.substr(3));
      std::vector<Blocks> out;
      for (std::int64_t i = 0; i + count <= spec_.depth; ++i) out.push_back(range(i, count));
      return out;
    }
    return {listed(word)};
  }

 private:
  [[noreturn]] static void refuse(std::string_view word) {
    throw ConfigError(kOption,
                      "expected own, final, last, lastN, all, allN or blocks such as 10-15 or 3,5, "
                      "got '{}'",
                      word);
  }
  [[nodiscard]] std::int64_t block(std::string_view word, std::string_view text) const {
    const std::optional<std::int64_t> value = number(text);
    if (!value) refuse(word);
    if (*value >= 0 && *value < spec_.depth) return *value;
    throw ConfigError(kOption, "the model has the blocks 0..{}, got {}", spec_.depth - 1, *value);
  }
  [[nodiscard]] std::int64_t neighbours(std::string_view word, std::string_view text) const {
    const std::optional<std::int64_t> count = number(text);
    if (!count) refuse(word);
    if (*count >= 1 && *count <= spec_.depth) return *count;
    throw ConfigError(kOption, "the model has the blocks 0..{}, '{}' asks for {} of them",
                      spec_.depth - 1, word, *count);
  }
  [[nodiscard]] Blocks listed(std::string_view word) const {
    Blocks out;
    for (const std::string_view part : split(word, ',')) {
      std::int64_t first = 0;
      std::int64_t last = 0;
      if (part.ends_with("..")) {
        first = block(word, part.substr(0, part.size() - 2));
        last = spec_.depth - 1;
      } else {
        const std::size_t dash = part.find('-', 1);
        first = block(word, part.substr(0, dash));
        last = dash == std::string_view::npos ? first : block(word, part.substr(dash + 1));
      }
      if (last < first) refuse(word);
      for (std::int64_t i = first; i <= last; ++i) out.push_back(i);
    }
    std::ranges::sort(out);
    const auto [from, to] = std::ranges::unique(out);
    out.erase(from, to);
    return out;
  }

  const arch::EncoderSpec& spec_;
};

}  // namespace

std::vector<Blocks> probe_layers(const arch::EncoderSpec& spec, std::string_view text) {
  const Reader reader(spec);
  std::vector<Blocks> out;
  for (const std::string_view word : split(text, ';')) {
    for (Blocks& blocks : reader.candidates(word)) {
      if (std::ranges::find(out, blocks) == out.end()) out.push_back(std::move(blocks));
    }
  }
  return out;
}

std::vector<double> number_list(std::string_view option, std::string_view text) {
  std::vector<double> out;
  for (const std::string_view word : split(text, ',')) {
    double value = 0.0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc{} || end != word.data() + word.size() || !std::isfinite(value)) {
      throw ConfigError(option, "expected numbers separated by commas, got '{}'", word);
    }
    out.push_back(value);
  }
  return out;
}

}  // namespace conopa::app
