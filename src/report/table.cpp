#include "conopa/report/table.h"

#include <algorithm>

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

/// Columns of a terminal: bytes that do not continue a UTF-8 sequence.
std::size_t columns(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
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

std::vector<bool> numeric_columns(const TextTable& table) {
  table.validate();
  std::vector<bool> out(table.header.size(), true);
  for (std::size_t i = 0; i < out.size(); ++i) {
    bool any = false;
    for (const std::vector<std::string>& row : table.rows) {
      if (row[i].empty() || row[i] == "–" || row[i] == "-") continue;
      any = true;
      out[i] = out[i] && is_numeric_cell(row[i]);
    }
    out[i] = out[i] && any && i > 0;  // the first column names the row
  }
  return out;
}

std::string table_text(const TextTable& table) {
  const std::vector<bool> numeric = numeric_columns(table);
  std::vector<std::size_t> widths(table.header.size(), 0);
  const auto measure = [&widths](const std::vector<std::string>& row) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], columns(row[i]));
  };
  measure(table.header);
  for (const std::vector<std::string>& row : table.rows) measure(row);
  std::string out;
  const auto append = [&](const std::vector<std::string>& row) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string room(widths[i] - columns(row[i]), ' ');
      line += (i > 0 ? "  " : "") + (numeric[i] ? room + row[i] : row[i] + room);
    }
    out += line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
  };
  append(table.header);
  for (const std::vector<std::string>& row : table.rows) append(row);
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
