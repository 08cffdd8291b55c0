#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "conopa/text/tokenizer.h"

namespace conopa::text {

/// Texts as one row of tokens.
struct Corpus {
  std::vector<std::int32_t> tokens;  ///< every text with eos() behind it
  std::int64_t files = 0;            ///< that were read
  std::int64_t skipped = 0;          ///< files of folders that hold no text
  std::int64_t bytes = 0;            ///< of text, before it became tokens
};

/// Reads text files, plain or gzip-compressed. Folders are walked in the order of their paths, so
/// that the same files give the same corpus; what is no text in them (a zero byte, or bytes that
/// the tokenizer refuses) is counted and left out, symbolic links too.
///
/// @param paths      files and folders.
/// @param max_bytes  stop reading behind so many bytes of text; 0: read all.
/// @throws IoError if a path is not there; FormatError if a file named itself is no text, or if
///         nothing is left to learn from.
/// @complexity O(bytes); memory 4 bytes a token.
[[nodiscard]] Corpus read_corpus(std::span<const std::filesystem::path> paths,
                                 const Tokenizer& tokenizer, std::int64_t max_bytes = 0);

}  // namespace conopa::text
