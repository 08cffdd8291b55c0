#include "conopa/data/class_names.h"

#include <algorithm>
#include <utility>

#include "conopa/core/error.h"
#include "conopa/io/mapped_file.h"
#include "data/text.h"

namespace conopa::data {

std::vector<std::string> read_name_lines(const std::filesystem::path& path) {
  const std::string where = path.string();
  const std::string text = read_text_file(path);
  std::vector<std::string> names;
  for (LineReader lines(without_bom(text)); lines.next();) {
    require_utf8(lines.line(), where, lines.number());
    names.emplace_back(trimmed(lines.line()));
  }
  while (!names.empty() && names.back().empty()) names.pop_back();
  if (names.empty()) throw FormatError(where, "expected one name a line, found an empty file");
  const auto gap = std::find(names.begin(), names.end(), "");
  if (gap != names.end()) {
    throw FormatError(where, "expected a name on line {}, found an empty line",
                      gap - names.begin() + 1);
  }
  return names;
}

std::vector<std::string> settle_class_names(std::string_view where, const ClassOptions& options,
                                            std::int64_t found,
                                            std::vector<std::string> file_names) {
  std::vector<std::string> names = options.names.empty() ? std::move(file_names) : options.names;
  const auto named = static_cast<std::int64_t>(names.size());
  const std::int64_t count = options.num_classes > 0 ? options.num_classes
                             : named > 0             ? named
                                                     : found;
  if (named > count) {
    throw ConfigError(where, "expected at most num_classes = {} class names, found {}; correct one",
                      count, named);
  }
  if (found > count) {
    throw FormatError(where, "expected labels 0..{}, found {}; check num_classes and class_names",
                      count - 1, found - 1);
  }
  if (count > kMaxClasses) {
    throw FormatError(where, "expected at most {} classes, found {}; check the labels", kMaxClasses,
                      count);
  }
  for (std::int64_t i = named; i < count; ++i) names.push_back(std::to_string(i));
  return names;
}

}  // namespace conopa::data
