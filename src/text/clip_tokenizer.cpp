#include "conopa/text/clip_tokenizer.h"

#include <string>
#include <system_error>
#include <utility>

#include "conopa/core/error.h"
#include "conopa/io/gzip.h"
#include "conopa/io/mapped_file.h"
#include "text/byte_pairs.h"
#include "text/clip_vocabulary.h"
#include "text/clip_words.h"

namespace conopa::text {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMaxBytes = std::int64_t{16} << 20;

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

std::string read_merges_file(const fs::path& path) {
  const std::vector<std::byte> bytes = read_possibly_gzipped(path, kMaxBytes);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

struct ClipTokenizer::Impl {
  BytePairs pairs;
};

ClipTokenizer::ClipTokenizer(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
ClipTokenizer::~ClipTokenizer() = default;

std::unique_ptr<ClipTokenizer> ClipTokenizer::from_merges(std::string_view merges,
                                                          std::string_view where) {
  const MergeList list = parse_merges(merges, where);
  auto impl = std::make_unique<const Impl>(
      Impl{.pairs = build_byte_pairs(number_symbols(list), list, where)});
  return std::unique_ptr<ClipTokenizer>(new ClipTokenizer(std::move(impl)));
}

std::unique_ptr<ClipTokenizer> ClipTokenizer::from_vocabulary(std::string_view vocabulary,
                                                              std::string_view merges,
                                                              std::string_view where) {
  const Vocabulary symbols = parse_vocabulary(vocabulary, where);
  auto impl = std::make_unique<const Impl>(
      Impl{.pairs = build_byte_pairs(symbols, parse_merges(merges, where), where)});
  return std::unique_ptr<ClipTokenizer>(new ClipTokenizer(std::move(impl)));
}

std::unique_ptr<ClipTokenizer> ClipTokenizer::from_tokenizer_json(std::string_view json,
                                                                  std::string_view where) {
  Vocabulary vocabulary;
  MergeList merges;
  parse_tokenizer_json(json, where, vocabulary, merges);
  auto impl =
      std::make_unique<const Impl>(Impl{.pairs = build_byte_pairs(vocabulary, merges, where)});
  return std::unique_ptr<ClipTokenizer>(new ClipTokenizer(std::move(impl)));
}

std::unique_ptr<ClipTokenizer> ClipTokenizer::open(const fs::path& path) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) {
    throw IoError(path.string(),
                  "expected 'bytes' or the path of CLIP's vocabulary, found nothing there");
  }
  if (!fs::is_directory(path, ignored)) {
    if (path.extension() != ".json") return from_merges(read_merges_file(path), path.string());
    return from_tokenizer_json(read_text_file(path, kMaxBytes), path.string());
  }
  if (is_file(path / "vocab.json") && is_file(path / "merges.txt")) {
    return from_vocabulary(read_text_file(path / "vocab.json", kMaxBytes),
                           read_merges_file(path / "merges.txt"), path.string());
  }
  for (const char* name : {"tokenizer.json", "merges.txt"}) {
    if (is_file(path / name)) return open(path / name);
  }
  throw IoError(path.string(),
                "expected vocab.json and merges.txt, or tokenizer.json, found neither; give the "
                "folder or file of CLIP's vocabulary");
}

std::vector<std::int64_t> ClipTokenizer::encode(std::string_view text) const {
  const std::string clean = clean_clip_text(text);
  std::vector<std::int64_t> ids;
  for (const std::string_view word : split_clip_words(clean)) impl_->pairs.encode_word(word, ids);
  return ids;
}

std::int64_t ClipTokenizer::vocabulary() const noexcept { return impl_->pairs.vocabulary; }
std::int64_t ClipTokenizer::bos() const noexcept { return impl_->pairs.bos; }
std::int64_t ClipTokenizer::eos() const noexcept { return impl_->pairs.eos; }

}  // namespace conopa::text
