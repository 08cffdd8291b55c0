#include "data/list_file.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "conopa/core/error.h"
#include "conopa/core/nearest.h"
#include "conopa/io/mapped_file.h"
#include "data/io_errors.h"

namespace conopa::data {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMaxBytes = std::int64_t{4} << 30;
constexpr std::array<std::string_view, 4> kExtensions = {".csv", ".tsv", ".jsonl", ".ndjson"};

ListFile read_list(const fs::path& path, ListContent content) {
  const std::optional<ListFormat> format = list_format_of(path);
  if (!format) {
    throw FormatError(path.string(), "expected a list named .csv, .tsv or .jsonl, found '{}'",
                      path.extension().string());
  }
  return {path, parse_list(read_text_file(path, kMaxBytes), *format, path.string(), content)};
}

std::optional<fs::path> file_of_split(const fs::path& folder, std::string_view split) {
  for (const std::string_view extension : kExtensions) {
    fs::path path = folder / (std::string(split) + std::string(extension));
    if (fs::is_regular_file(path)) return path;
  }
  return std::nullopt;
}

void require_split(const ListFile& list, std::string_view split) {
  if (split == "all" || !list.has_splits()) return;
  std::vector<std::string> known;
  for (const ListRow& row : list.rows) {
    if (row.split == split) return;
    if (known.size() < 8 && std::find(known.begin(), known.end(), row.split) == known.end()) {
      known.push_back(row.split);
    }
  }
  throw FormatError(list.path.string(), "expected rows of split '{}'{}; found {}", split,
                    did_you_mean(split, known), fmt::join(known, ", "));
}

// A single list serves its splits; without a split column it is training data.
void require_split_column(const ListFile& list, std::string_view split) {
  require_split(list, split);
  if (list.has_splits() || split == "train" || split == "all") return;
  throw FormatError(list.path.string(),
                    "expected a split column to find split '{}', found none; "
                    "set eval_path to a list of its own, or the split to 'all'",
                    split);
}

}  // namespace

std::optional<ListFormat> list_format_of(const fs::path& path) {
  const std::string extension = path.extension().string();
  if (extension == ".csv") return ListFormat::kCsv;
  if (extension == ".tsv") return ListFormat::kTsv;
  if (extension == ".jsonl" || extension == ".ndjson") return ListFormat::kJsonl;
  return std::nullopt;
}

std::vector<ListFile> read_lists(const fs::path& path, std::string_view split,
                                 ListContent content) {
  std::vector<ListFile> files;
  if (!fs::is_directory(path)) {
    files.push_back(read_list(path, content));
    require_split_column(files.front(), split);
    return files;
  }
  const std::optional<fs::path> own = file_of_split(path, split);
  if (!own) {
    throw IoError(path.string(),
                  "expected {}.csv, .tsv or .jsonl, found none; check data.path and "
                  "the split",
                  split);
  }
  files.push_back(read_list(*own, content));
  require_split(files.front(), split);
  const std::optional<fs::path> train = file_of_split(path, "train");
  if (train && *train != *own) files.push_back(read_list(*train, content));
  return files;
}

std::vector<std::string> list_splits(const fs::path& path, ListContent content) {
  return with_io_errors(path, [&]() -> std::vector<std::string> {
    std::set<std::string> splits;
    if (fs::is_directory(path)) {
      for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
        if (list_format_of(entry.path())) splits.insert(entry.path().stem().string());
      }
    } else {
      for (const ListRow& row : read_list(path, content).rows) {
        if (!row.split.empty()) splits.insert(row.split);
      }
    }
    return {splits.begin(), splits.end()};
  });
}

}  // namespace conopa::data
