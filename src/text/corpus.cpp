#include "conopa/text/corpus.h"

#include <algorithm>
#include <string_view>
#include <system_error>

#include "conopa/core/error.h"
#include "conopa/io/gzip.h"

namespace conopa::text {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kLargestFile = std::int64_t{1} << 30;

// The regular files of a folder, by path.
std::vector<fs::path> files_below(const fs::path& folder) {
  std::vector<fs::path> out;
  std::error_code error;
  fs::recursive_directory_iterator it(folder, fs::directory_options::skip_permission_denied, error);
  for (; !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    std::error_code ignored;
    if (!it->is_symlink(ignored) && it->is_regular_file(ignored)) out.push_back(it->path());
  }
  if (error) throw IoError(folder.string(), "cannot list the folder: {}", error.message());
  std::ranges::sort(out);
  return out;
}

class Reader {
 public:
  Reader(const Tokenizer& tokenizer, std::int64_t max_bytes)
      : tokenizer_(tokenizer), max_bytes_(max_bytes) {}

  [[nodiscard]] bool full() const noexcept { return max_bytes_ > 0 && corpus_.bytes >= max_bytes_; }

  void add(const fs::path& file) {
    const std::vector<std::byte> bytes = read_possibly_gzipped(file, kLargestFile);
    std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (text.find('\0') != std::string_view::npos) {
      throw FormatError(file.string(), "expected text, found a zero byte; name text files");
    }
    if (max_bytes_ > 0) {
      text = text.substr(0, static_cast<std::size_t>(max_bytes_ - corpus_.bytes));
    }
    const std::vector<std::int64_t> ids = tokenizer_.encode(text);
    for (const std::int64_t id : ids) corpus_.tokens.push_back(static_cast<std::int32_t>(id));
    corpus_.tokens.push_back(static_cast<std::int32_t>(tokenizer_.eos()));
    corpus_.bytes += std::ssize(text);
    ++corpus_.files;
  }

  void add_if_text(const fs::path& file) {
    try {
      add(file);
    } catch (const Error&) {
      ++corpus_.skipped;
    }
  }

  [[nodiscard]] Corpus take() { return std::move(corpus_); }

 private:
  const Tokenizer& tokenizer_;
  std::int64_t max_bytes_;
  Corpus corpus_;
};

}  // namespace

Corpus read_corpus(std::span<const fs::path> paths, const Tokenizer& tokenizer,
                   std::int64_t max_bytes) {
  Reader reader(tokenizer, max_bytes);
  for (const fs::path& path : paths) {
    std::error_code error;
    if (!fs::is_directory(path, error)) {
      if (!reader.full()) reader.add(path);
      continue;
    }
    for (const fs::path& file : files_below(path)) {
      if (reader.full()) break;
      reader.add_if_text(file);
    }
  }
  Corpus corpus = reader.take();
  if (corpus.bytes == 0) {
    throw FormatError(paths.empty() ? "text" : paths.front().string(),
                      "expected text to learn from, found none in {} files; give text files or "
                      "folders of them",
                      corpus.files + corpus.skipped);
  }
  return corpus;
}

}  // namespace conopa::text
