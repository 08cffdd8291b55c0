#include "conopa/data/list.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <unordered_map>
#include <utility>

#include "conopa/core/error.h"
#include "conopa/core/nearest.h"
#include "conopa/data/file_dataset.h"
#include "data/list_file.h"

namespace conopa::data {
namespace {

namespace fs = std::filesystem;

/// The class numbers that label texts stand for.
class LabelMap {
 public:
  LabelMap(std::vector<std::string> names, bool numeric)
      : names_(std::move(names)), numeric_(numeric) {
    for (std::size_t i = 0; i < names_.size(); ++i) {
      numbers_.emplace(names_[i], static_cast<std::int32_t>(i));
    }
  }

  [[nodiscard]] std::int32_t number(const ListRow& row, const fs::path& file) const {
    const auto found = numbers_.find(row.label);
    if (found != numbers_.end() && !numeric_) return found->second;
    std::int64_t value = -1;
    const char* end = row.label.data() + row.label.size();
    const auto [stop, code] = std::from_chars(row.label.data(), end, value);
    const auto count = static_cast<std::int64_t>(names_.size());
    if (code == std::errc{} && stop == end && value >= 0 && value < count) {
      return static_cast<std::int32_t>(value);
    }
    throw FormatError(file.string(),
                      "expected a label in 0..{} or a class name on line {}, found "
                      "'{}'{}; check num_classes and class_names",
                      count - 1, row.line, row.label,
                      numeric_ ? "" : did_you_mean(row.label, names_));
  }

  [[nodiscard]] const std::vector<std::string>& names() const noexcept { return names_; }

 private:
  std::vector<std::string> names_;
  bool numeric_;
  std::unordered_map<std::string, std::int32_t> numbers_;
};

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// Number of classes that numeric labels need; wild labels are named with their line.
std::int64_t classes_of(const std::vector<ListFile>& files, std::int64_t most) {
  std::int64_t highest = -1;
  for (const ListFile& file : files) {
    for (const ListRow& row : file.rows) {
      std::int64_t value = -1;
      std::from_chars(row.label.data(), row.label.data() + row.label.size(), value);
      if (value < 0 || value >= most) {
        throw FormatError(file.path.string(),
                          "expected a label in 0..{} on line {}, found '{}'; "
                          "check num_classes and class_names",
                          most - 1, row.line, row.label);
      }
      highest = std::max(highest, value);
    }
  }
  return highest + 1;
}

LabelMap map_labels(const std::vector<ListFile>& files, const ClassOptions& options) {
  const std::string where = files.front().path.string();
  std::vector<std::string> file_names;
  const fs::path names_path = files.front().path.parent_path() / "classes.txt";
  if (options.names.empty() && fs::exists(names_path)) file_names = read_name_lines(names_path);

  std::int64_t numbers = 0;
  std::int64_t rows = 0;
  std::set<std::string, std::less<>> words;
  for (const ListFile& file : files) {
    for (const ListRow& row : file.rows) {
      ++rows;
      if (is_number(row.label)) {
        ++numbers;
      } else if (!words.contains(row.label)) {
        words.insert(row.label);
      }
    }
  }
  const bool named = !options.names.empty() || !file_names.empty();
  if (numbers == rows) {
    const std::int64_t stated =
        options.num_classes > 0 ? options.num_classes
        : named ? static_cast<std::int64_t>(std::max(options.names.size(), file_names.size()))
                : kMaxClasses;
    return {settle_class_names(where, options, classes_of(files, stated), std::move(file_names)),
            /*numeric=*/true};
  }
  if (!named) {
    if (numbers > 0) {
      throw FormatError(where,
                        "expected labels that are all numbers or all names, found {} numbers "
                        "and {} names such as '{}'; state class_names",
                        numbers, rows - numbers, *words.begin());
    }
    for (const std::string& word : words) file_names.push_back(word);
  }
  return {settle_class_names(where, options, 0, std::move(file_names)), /*numeric=*/false};
}

}  // namespace

std::unique_ptr<Dataset> open_list(const fs::path& path, std::string_view split,
                                   const ClassOptions& classes) {
  const std::vector<ListFile> files = read_lists(path, split, ListContent::kLabels);
  const ListFile& own = files.front();
  const LabelMap labels = map_labels(files, classes);
  PathTable paths;
  std::vector<std::int32_t> numbers;
  for (const ListRow& row : own.rows) {
    const std::int32_t number = labels.number(row, own.path);  // rows of other splits count too
    if (!own.serves(row, split)) continue;
    paths.push_back(row.path);
    numbers.push_back(number);
  }
  return std::make_unique<FileDataset>(own.path.parent_path(), std::move(paths), std::move(numbers),
                                       labels.names());
}

}  // namespace conopa::data
