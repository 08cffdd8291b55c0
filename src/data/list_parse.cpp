#include <algorithm>
#include <filesystem>
#include <fstream>
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
  std::optional<std::size_t> caption;
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
bool names_caption(std::string_view word) { return is_one_of(word, {"caption", "text"}); }
bool names_split(std::string_view word) { return is_one_of(word, {"split", "set", "subset"}); }

// The columns that a row names; all empty if it is no header.
Columns named_columns(std::span<const std::string> fields) {
  Columns columns;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const std::string_view field = trimmed(fields[i]);
    if (!columns.path && names_path(field)) {
      columns.path = i;
    } else if (!columns.label && names_label(field)) {
      columns.label = i;
    } else if (!columns.caption && names_caption(field)) {
      columns.caption = i;
    } else if (!columns.split && names_split(field)) {
      columns.split = i;
    }
  }
  return columns;
}

bool has_content(const Columns& columns, ListContent content) {
  return columns.path && (content == ListContent::kLabels ? columns.label : columns.caption);
}

// Without white space around it, line ends included.
std::string trimmed_text(std::string_view text) {
  constexpr std::string_view kWhite = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kWhite);
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(kWhite) - first + 1));
}

std::string field_at(const DelimitedReader& reader, std::optional<std::size_t> column) {
  if (!column || *column >= reader.fields().size()) return {};
  return trimmed_text(reader.fields()[*column]);
}

void require_row(const ListRow& row, ListContent content, std::string_view where) {
  if (content == ListContent::kCaptions) {
    if (row.path.empty() || row.caption.empty()) {
      throw FormatError(where, "expected path and caption on line {}, found {}", row.line,
                        row.path.empty() ? "no path" : "an empty caption; remove the row");
    }
    require_utf8(row.caption, where, row.line);  // JSON may escape what is no text
  } else if (row.path.empty() || row.label.empty()) {
    throw FormatError(where, "expected path and label on line {}, found no {}", row.line,
                      row.path.empty() ? "path" : "label");
  }
}

// What a first row means; nothing if it is data already.
std::optional<Columns> read_header(const DelimitedReader& reader, ListContent content,
                                   std::string_view where) {
  const Columns named = named_columns(reader.fields());
  if (has_content(named, content)) return named;
  const std::size_t found = reader.fields().size();
  if (content == ListContent::kCaptions) {
    throw FormatError(where,
                      "expected column names with 'path' and 'caption' on line {}, found {} other "
                      "fields; add a first row of names",
                      reader.line(), found);
  }
  if (found < 2 || found > 3) {
    throw FormatError(where,
                      "expected path,label[,split] on line {}, found {} fields; name "
                      "the columns in a first row if there are others",
                      reader.line(), found);
  }
  return std::nullopt;
}

std::vector<ListRow> parse_delimited(std::string_view text, char delimiter, std::string_view where,
                                     ListContent content) {
  std::vector<ListRow> rows;
  Columns columns{.path = 0, .label = 1, .caption = std::nullopt, .split = 2};
  std::size_t width = 0;  // fields of the first row; every other row has as many
  for (DelimitedReader reader(text, delimiter, where); reader.next();) {
    const std::size_t found = reader.fields().size();
    if (width == 0) {
      width = found;
      if (const std::optional<Columns> named = read_header(reader, content, where)) {
        columns = *named;
        continue;
      }
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
                .caption = field_at(reader, columns.caption),
                .split = field_at(reader, columns.split)};
    require_row(row, content, where);
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

std::vector<ListRow> parse_jsonl(std::string_view text, std::string_view where,
                                 ListContent content) {
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
                .label = {},
                .caption = {},
                .split = json_text(object, names_split, where, lines.number())};
    if (content == ListContent::kLabels) {
      row.label = json_text(object, names_label, where, lines.number());
    } else {
      row.caption = trimmed_text(json_text(object, names_caption, where, lines.number()));
    }
    if (row.path.find('\0') != std::string::npos) {
      throw FormatError(where, "expected a path on line {}, found a NUL byte in it", row.line);
    }
    require_row(row, content, where);
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace

bool is_caption_list(const std::filesystem::path& path) {
  constexpr std::size_t kHead = 64 << 10;
  const std::optional<ListFormat> format = list_format_of(path);
  if (!format) return false;
  std::string head(kHead, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  LineReader lines(without_bom(head));
  while (lines.next() && trimmed(lines.line()).empty()) continue;
  std::vector<std::string> names;
  if (*format == ListFormat::kJsonl) {
    const Json object = Json::parse(lines.line(), nullptr, /*allow_exceptions=*/false);
    if (!object.is_object()) return false;
    for (const auto& [key, value] : object.items()) names.push_back(key);
  } else {
    try {
      DelimitedReader reader(lines.line(), *format == ListFormat::kCsv ? ',' : '\t', "");
      if (reader.next()) names = reader.fields();
    } catch (const FormatError&) {  // whoever reads the whole list explains
      return false;
    }
  }
  const Columns columns = named_columns(names);
  return has_content(columns, ListContent::kCaptions) && !columns.label;
}

std::vector<ListRow> parse_list(std::string_view text, ListFormat format, std::string_view where,
                                ListContent content) {
  text = without_bom(text);
  std::vector<ListRow> rows;
  switch (format) {
    case ListFormat::kCsv:
      rows = parse_delimited(text, ',', where, content);
      break;
    case ListFormat::kTsv:
      rows = parse_delimited(text, '\t', where, content);
      break;
    case ListFormat::kJsonl:
      rows = parse_jsonl(text, where, content);
      break;
  }
  if (rows.empty()) {
    throw FormatError(where, "expected rows path,{}[,split], found none",
                      content == ListContent::kLabels ? "label" : "caption");
  }
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
