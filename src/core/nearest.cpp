#include "conopa/core/nearest.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace conopa {
namespace {

constexpr std::size_t kMaxLength = 100;

// Lower case, '-' as '_': differences nobody means.
std::string folded(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == '-') c = '_';
  }
  return out;
}

std::vector<std::string> sorted_parts(const std::string& text) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == '_') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  std::sort(parts.begin(), parts.end());
  return parts;
}

// Edit distance with swaps of neighbours; three rows of the table suffice.
std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> previous(b.size() + 1);
  std::vector<std::size_t> current(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) previous[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      current[j] = std::min({previous[j] + 1, current[j - 1] + 1, previous[j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        current[j] = std::min(current[j], before[j - 2] + 1);
      }
    }
    std::swap(before, previous);
    std::swap(previous, current);
  }
  return previous[b.size()];
}

// How far apart two names are, or nothing if they are not alike.
std::optional<std::size_t> distance(const std::string& word, const std::string& candidate) {
  if (candidate.empty() || candidate.size() > kMaxLength) return std::nullopt;
  if (word == candidate) return 0;
  if (sorted_parts(word) == sorted_parts(candidate)) return 1;
  const std::size_t longest = std::max(word.size(), candidate.size());
  const std::size_t limit = std::max<std::size_t>(1, longest / 3);
  const std::size_t edits = edit_distance(word, candidate);
  if (edits <= limit && edits < longest) return edits;
  const bool part = candidate.starts_with(word + "_") || word.starts_with(candidate + "_") ||
                    candidate.ends_with("_" + word) || word.ends_with("_" + candidate);
  return part ? std::optional(kMaxLength) : std::nullopt;  // after every true misspelling
}

template <typename Name>
std::optional<std::string> nearest(std::string_view word, std::span<const Name> candidates) {
  if (word.empty() || word.size() > kMaxLength) return std::nullopt;
  const std::string wanted = folded(word);
  std::optional<std::size_t> best;
  std::optional<std::string> found;
  for (const Name& candidate : candidates) {
    const std::optional<std::size_t> d = distance(wanted, folded(candidate));
    if (d && (!best || *d < *best)) {
      best = d;
      found = std::string(candidate);
    }
  }
  return found;
}

template <typename Name>
std::string question(std::string_view word, std::span<const Name> candidates) {
  const std::optional<std::string> found = nearest(word, candidates);
  return found ? fmt::format("; did you mean '{}'?", *found) : "";
}

}  // namespace

std::optional<std::string> nearest_name(std::string_view word,
                                        std::span<const std::string_view> candidates) {
  return nearest(word, candidates);
}
std::optional<std::string> nearest_name(std::string_view word,
                                        std::span<const std::string> candidates) {
  return nearest(word, candidates);
}
std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates) {
  return question(word, candidates);
}
std::string did_you_mean(std::string_view word, std::span<const std::string> candidates) {
  return question(word, candidates);
}

}  // namespace conopa
