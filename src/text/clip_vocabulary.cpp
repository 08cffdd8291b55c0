#include "text/clip_vocabulary.h"

#include <algorithm>
#include <utility>

#include "conopa/core/error.h"

namespace conopa::text {
namespace {

constexpr std::size_t kMergesThatCount = 49152 - 256 - 2;
constexpr std::string_view kWordEnd = "</w>";
constexpr std::string_view kStart = "<|startoftext|>";
constexpr std::string_view kEnd = "<|endoftext|>";
constexpr std::string_view kBlanks = " \t\r";

// The next line without its end; false behind the last one.
bool next_line(std::string_view& rest, std::string_view& line) {
  if (rest.empty()) return false;
  const std::size_t end = std::min(rest.find('\n'), rest.size());
  line = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return true;
}

std::vector<std::string_view> fields_of(std::string_view line) {
  std::vector<std::string_view> fields;
  for (std::size_t i = line.find_first_not_of(kBlanks); i != std::string_view::npos;) {
    const std::size_t end = std::min(line.find_first_of(kBlanks, i), line.size());
    fields.push_back(line.substr(i, end - i));
    i = line.find_first_not_of(kBlanks, end);
  }
  return fields;
}

std::int32_t id_of(const Vocabulary& vocabulary, std::string_view symbol, std::string_view where,
                   std::string_view what) {
  const auto found = vocabulary.find(symbol);
  if (found == vocabulary.end()) {
    throw FormatError(where,
                      "expected an id for {} '{}', found none; the file is no vocabulary of "
                      "CLIP or is damaged",
                      what, symbol);
  }
  return found->second;
}

}  // namespace

MergeList parse_merges(std::string_view text, std::string_view where) {
  MergeList merges{.unit = "line", .entries = {}};
  std::string_view line;
  if (!next_line(text, line) || line.find("#version") == std::string_view::npos) {
    throw FormatError(where,
                      "expected a header with '#version' on line 1 of the merges, found none; give "
                      "CLIP's list of merges");
  }
  std::int64_t blank = 0;  // the first empty line, an error if anything follows
  for (std::int64_t number = 2; merges.entries.size() < kMergesThatCount && next_line(text, line);
       ++number) {
    const std::vector<std::string_view> fields = fields_of(line);
    if (fields.empty()) {
      if (blank == 0) blank = number;
      continue;
    }
    if (fields.size() != 2 || blank != 0) {
      throw FormatError(where, "expected two symbols on line {}, found {}",
                        blank != 0 ? blank : number, blank != 0 ? 0 : fields.size());
    }
    merges.entries.push_back({number, std::string(fields[0]), std::string(fields[1])});
  }
  return merges;
}

Vocabulary number_symbols(const MergeList& merges) {
  Vocabulary vocabulary;
  const std::array<std::string, 256> characters = byte_characters();
  std::int32_t next = 0;
  for (const std::string_view end : {std::string_view(), kWordEnd}) {
    for (const std::uint8_t byte : bytes_in_id_order()) {
      vocabulary[characters[byte] + std::string(end)] = next++;
    }
  }
  // Of merges that make the same symbol the last one names it, as in the released code.
  for (const MergeEntry& merge : merges.entries) vocabulary[merge.left + merge.right] = next++;
  vocabulary[std::string(kStart)] = next++;
  vocabulary[std::string(kEnd)] = next++;
  return vocabulary;
}

BytePairs build_byte_pairs(const Vocabulary& vocabulary, const MergeList& merges,
                           std::string_view where) {
  BytePairs pairs;
  const std::array<std::string, 256> characters = byte_characters();
  for (std::size_t byte = 0; byte < 256; ++byte) {
    pairs.inner[byte] = id_of(vocabulary, characters[byte], where, "the byte");
    pairs.last[byte] =
        id_of(vocabulary, characters[byte] + std::string(kWordEnd), where, "the byte");
  }
  pairs.bos = id_of(vocabulary, kStart, where, "the token");
  pairs.eos = id_of(vocabulary, kEnd, where, "the token");
  for (const auto& [symbol, id] : vocabulary) {
    pairs.vocabulary = std::max(pairs.vocabulary, std::int64_t{id} + 1);
  }
  pairs.merges.reserve(merges.entries.size());
  std::int32_t rank = 0;
  for (const MergeEntry& entry : merges.entries) {
    const auto known = [&](std::string_view symbol) {
      const auto found = vocabulary.find(symbol);
      if (found != vocabulary.end() && symbol != kStart && symbol != kEnd) return found->second;
      throw FormatError(where, "expected symbols of the vocabulary on {} {}, found '{}'",
                        merges.unit, entry.place, symbol);
    };
    const std::int32_t left = known(entry.left);
    const std::uint64_t key = BytePairs::pair_key(left, known(entry.right));
    const BytePairs::Merge merge{.rank = rank++, .id = known(entry.left + entry.right)};
    if (!pairs.merges.emplace(key, merge).second) {
      throw FormatError(where, "expected every pair once, found '{} {}' again on {} {}", entry.left,
                        entry.right, merges.unit, entry.place);
    }
  }
  return pairs;
}

}  // namespace conopa::text
