#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace conopa::data {

/// Walks the records of a CSV or TSV text (RFC 4180; \n or \r\n; empty lines are skipped).
///
/// A field that starts with a quote ends with one and may hold separators, line ends and doubled
/// quotes; a quote elsewhere is an ordinary character.
class DelimitedReader {
 public:
  /// @param where for messages; both views must outlive the reader.
  DelimitedReader(std::string_view text, char delimiter, std::string_view where)
      : rest_(text), delimiter_(delimiter), where_(where) {}

  /// Steps to the next record; false at the end.
  /// @throws FormatError with the line number for a quote without end, text behind a closing quote
  ///   or bytes that are not UTF-8.
  bool next();

  [[nodiscard]] const std::vector<std::string>& fields() const noexcept { return fields_; }
  /// Line on which the record starts, from 1.
  [[nodiscard]] std::int64_t line() const noexcept { return line_; }

 private:
  void read_quoted();
  void read_plain();
  void skip_empty_lines();

  std::string_view rest_;
  char delimiter_;
  std::string_view where_;
  std::vector<std::string> fields_;
  std::int64_t line_ = 0;
  std::int64_t next_line_ = 1;
};

}  // namespace conopa::data
