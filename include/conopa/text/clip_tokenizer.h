#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

#include "conopa/text/tokenizer.h"

namespace conopa::text {

/// CLIP's byte-pair encoding: 49,408 ids with the published vocabulary, start 49406, end 49407.
///
/// HTML references are resolved twice, the text is composed (NFC) and put into lower case, then cut
/// into words: 's 't 're 've 'm 'll 'd, runs of letters, single numbers, runs of other characters
/// that are no white space. The bytes of a word are merged by the ranks of the vocabulary; the last
/// one carries the mark "</w>". Padding is the end token.
///
/// Differences from the released code: the text is not repaired as by ftfy (wrongly decoded text
/// stays, beyond composition), and special tokens written out in a text are ordinary characters.
/// A capital sigma becomes σ wherever it stands.
///
/// The vocabulary is the user's: nothing of it comes with this library.
/// @source Radford et al., "Learning transferable visual models from natural language supervision"
///   (arXiv 2103.00020), released code; Unicode properties from utf8proc.
class ClipTokenizer final : public Tokenizer {
 public:
  /// Opens the published list of merges (plain or .gz), a `tokenizer.json`, or a folder with
  /// `vocab.json` and `merges.txt`, a `tokenizer.json`, or `merges.txt` alone.
  /// @throws IoError if nothing of that is there; FormatError naming the line or entry at fault.
  [[nodiscard]] static std::unique_ptr<ClipTokenizer> open(const std::filesystem::path& path);

  /// From the text of a list of merges: a header with "#version", then two symbols a line; the
  /// first 48,894 count. Ids: 256 bytes, 256 bytes at the end of a word, merges, start, end.
  /// @param where for messages.
  /// @throws FormatError naming the line.
  [[nodiscard]] static std::unique_ptr<ClipTokenizer> from_merges(std::string_view merges,
                                                                  std::string_view where);

  /// From the texts of `vocab.json` ({symbol: id}) and `merges.txt`.
  /// @throws FormatError naming the entry or line.
  [[nodiscard]] static std::unique_ptr<ClipTokenizer> from_vocabulary(std::string_view vocabulary,
                                                                      std::string_view merges,
                                                                      std::string_view where);

  /// From the text of a `tokenizer.json` (model.vocab, model.merges as "a b" or ["a", "b"],
  /// added_tokens).
  /// @throws FormatError naming the entry.
  [[nodiscard]] static std::unique_ptr<ClipTokenizer> from_tokenizer_json(std::string_view json,
                                                                          std::string_view where);

  ~ClipTokenizer() override;

  /// @throws FormatError naming the byte if the text is not UTF-8.
  /// @complexity O(n log n) for n bytes.
  [[nodiscard]] std::vector<std::int64_t> encode(std::string_view text) const override;
  [[nodiscard]] std::int64_t vocabulary() const noexcept override;
  [[nodiscard]] std::int64_t bos() const noexcept override;
  [[nodiscard]] std::int64_t eos() const noexcept override;
  [[nodiscard]] std::int64_t pad() const noexcept override { return eos(); }

 private:
  struct Impl;
  explicit ClipTokenizer(std::unique_ptr<const Impl> impl);

  std::unique_ptr<const Impl> impl_;
};

}  // namespace conopa::text
