#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <utility>

#include "conopa/core/error.h"
#include "conopa/data/list.h"
#include "data/delimited.h"
#include "data/text.h"

namespace conopa::data {
namespace {

using Json = nlohmann::json;

/// Which column holds what.
struct Columns {
  std::optional<std::size_t> path;
  std::optional<std::size_t> label;
  std::optional<std::size_t> split;
};

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> names) {
  std::string lower(word);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return std::find(names.begin(), names.end(), lower) != names.end();
}

bool names_path(std::string_view word) {
  return is_one_of(word, {"path", "image", "file", "filename", "filepath"});
}
bool names_label(std::string_view word) {
  return is_one_of(word, {"label", "class", "target", "category"});
}
bool names_split(std::string_view word) { return is_one_of(word, {"split", "set", "subset"}); }

// The columns a header row names, or nothing if the row is none.
std::optional<Columns> header_columns(std::span<const std::string> fields) {
  Columns columns;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const std::string_view field = trimmed(fields[i]);
    if (!columns.path && names_path(field)) {
      columns.path = i;
    } else if (!columns.label && names_label(field)) {
      columns.label = i;
    } else if (!columns.split && names_split(field)) {
      columns.split = i;
    }
  }
  return columns.path && columns.label ? std::optional(columns) : std::nullopt;
}

std::string field_at(const DelimitedReader& reader, std::optional<std::size_t> column) {
  if (!column || *column >= reader.fields().size()) return {};
  return std::string(trimmed(reader.fields()[*column]));
}

void require_row(const ListRow& row, std::string_view where) {
  if (row.path.empty() || row.label.empty()) {
    throw FormatError(where, "expected path and label on line {}, found no {}", row.line,
                      row.path.empty() ? "path" : "label");
  }
}

std::vector<ListRow> parse_delimited(std::string_view text, char delimiter,
                                     std::string_view where) {
  std::vector<ListRow> rows;
  Columns columns{.path = 0, .label = 1, .split = 2};
  std::size_t width = 0;  // fields of the first row; every other row has as many
  for (DelimitedReader reader(text, delimiter, where); reader.next();) {
    const std::size_t found = reader.fields().size();
    if (width == 0) {
      width = found;
      const std::optional<Columns> named = header_columns(reader.fields());
      if (named) columns = *named;
      if (!named && (width < 2 || width > 3)) {
        throw FormatError(where,
                          "expected path,label[,split] on line {}, found {} fields; name "
                          "the columns in a first row if there are others",
                          reader.line(), found);
      }
      if (named) continue;
    }
    if (found != width) {
      throw FormatError(where,
                        "expected {} fields on line {}, found {}; quote fields that hold "
                        "the separator",
                        width, reader.line(), found);
    }
    ListRow row{.line = reader.line(),
                .path = field_at(reader, columns.path),
                .label = field_at(reader, columns.label),
                .split = field_at(reader, columns.split)};
    require_row(row, where);
    rows.push_back(std::move(row));
  }
  return rows;
}

// The text of the first key that `names` accepts: a string, or a whole number where allowed.
std::string json_text(const Json& object, bool (*names)(std::string_view), std::string_view where,
                      std::int64_t line) {
  for (const auto& [key, value] : object.items()) {
    if (!names(key)) continue;
    if (value.is_string()) return value.get<std::string>();
    if (value.is_number_integer() && names == names_label) return value.dump();
    throw FormatError(where, "expected text at '{}' on line {}, found {}", key, line,
                      value.type_name());
  }
  return {};
}

std::vector<ListRow> parse_jsonl(std::string_view text, std::string_view where) {
  std::vector<ListRow> rows;
  for (LineReader lines(text); lines.next();) {
    if (trimmed(lines.line()).empty()) continue;
    require_utf8(lines.line(), where, lines.number());
    const Json object = Json::parse(lines.line(), nullptr, /*allow_exceptions=*/false);
    if (!object.is_object()) {
      throw FormatError(where, "expected a JSON object on line {}, found {}", lines.number(),
                        object.is_discarded() ? "broken JSON" : object.type_name());
    }
    ListRow row{.line = lines.number(),
                .path = json_text(object, names_path, where, lines.number()),
                .label = json_text(object, names_label, where, lines.number()),
                .split = json_text(object, names_split, where, lines.number())};
    if (row.path.find('\0') != std::string::npos) {
      throw FormatError(where, "expected a path on line {}, found a NUL byte in it", row.line);
    }
    require_row(row, where);
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace

std::vector<ListRow> parse_list(std::string_view text, ListFormat format, std::string_view where) {
  text = without_bom(text);
  std::vector<ListRow> rows;
  switch (format) {
    case ListFormat::kCsv:
      rows = parse_delimited(text, ',', where);
      break;
    case ListFormat::kTsv:
      rows = parse_delimited(text, '\t', where);
      break;
    case ListFormat::kJsonl:
      rows = parse_jsonl(text, where);
      break;
  }
  if (rows.empty()) throw FormatError(where, "expected rows path,label[,split], found none");
  const auto has_split = [](const ListRow& row) { return !row.split.empty(); };
  if (!std::all_of(rows.begin(), rows.end(), has_split)) {
    const auto with = std::find_if(rows.begin(), rows.end(), has_split);
    if (with != rows.end()) {
      const auto without = std::find_if_not(rows.begin(), rows.end(), has_split);
      throw FormatError(where,
                        "expected a split on every line or on none, found one on line {} and "
                        "none on line {}",
                        with->line, without->line);
    }
  }
  return rows;
}

}  // namespace conopa::data
