#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "text/byte_pairs.h"

namespace conopa::text {

/// Ids by symbol, as `vocab.json` has them.
using Vocabulary = std::map<std::string, std::int32_t, std::less<>>;

/// Two symbols of a vocabulary file that become one.
struct MergeEntry {
  std::int64_t place = 0;  ///< line or entry, from 1
  std::string left;
  std::string right;
};

/// The merges of a file and what its places are called in messages.
struct MergeList {
  std::string_view unit;  ///< "line" or "merge"
  std::vector<MergeEntry> entries;
};

/// Reads a header with "#version" and two symbols a line; the first 48,894 merges count.
/// @throws FormatError naming the line.
[[nodiscard]] MergeList parse_merges(std::string_view text, std::string_view where);

/// Reads `vocab.json`. @throws FormatError naming the entry.
[[nodiscard]] Vocabulary parse_vocabulary(std::string_view json, std::string_view where);

/// Reads the vocabulary (with the special tokens) and the merges of a `tokenizer.json`.
/// @throws FormatError naming the entry.
void parse_tokenizer_json(std::string_view json, std::string_view where, Vocabulary& vocabulary,
                          MergeList& merges);

/// The ids that CLIP gives to a bare list of merges: bytes, bytes at a word's end, merges, start
/// and end token.
[[nodiscard]] Vocabulary number_symbols(const MergeList& merges);

/// Ties both together.
/// @throws FormatError if a byte, a special token or a symbol of a merge has no id, or a pair
/// stands
///   twice.
[[nodiscard]] BytePairs build_byte_pairs(const Vocabulary& vocabulary, const MergeList& merges,
                                         std::string_view where);

}  // namespace conopa::text
