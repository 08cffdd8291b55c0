#include "conopa/report/table.h"

#include "conopa/core/error.h"

namespace conopa::report {
namespace {

std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

void append_line(const std::vector<std::string>& cells, std::string& out) {
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) out += ',';
    out += csv_cell(cells[i]);
  }
  out += '\n';
}

/// Bytes of the number's part at the start of `text`; 0 if another kind of character stands there.
std::size_t numeric_length(std::string_view text) noexcept {
  for (const std::string_view sign : {"±", "–", "−"}) {
    if (text.starts_with(sign)) return sign.size();
  }
  constexpr std::string_view kCharacters = "0123456789+-.,% ekMG";
  return kCharacters.find(text.front()) == std::string_view::npos ? 0 : 1;
}

}  // namespace

void TextTable::validate() const {
  for (const std::vector<std::string>& row : rows) {
    if (row.size() == header.size()) continue;
    throw ShapeError("table", "expected {} cells in every row of '{}', got {}; fill the row",
                     header.size(), title, row.size());
  }
}

std::string table_csv(const TextTable& table) {
  table.validate();
  std::string out;
  append_line(table.header, out);
  for (const std::vector<std::string>& row : table.rows) append_line(row, out);
  return out;
}

bool is_numeric_cell(std::string_view text) noexcept {
  bool digit = false;
  while (!text.empty()) {
    digit = digit || (text.front() >= '0' && text.front() <= '9');
    const std::size_t length = numeric_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return digit;
}

}  // namespace conopa::report
