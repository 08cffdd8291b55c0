#pragma once

#include <cstdint>
#include <string_view>

namespace conopa::data {

/// Walks the lines of a text; accepts \n and \r\n, with or without an end on the last line.
class LineReader {
 public:
  explicit LineReader(std::string_view text) : rest_(text) {}

  /// Steps to the next line; false at the end.
  bool next();
  [[nodiscard]] std::string_view line() const noexcept { return line_; }
  /// Counted from 1.
  [[nodiscard]] std::int64_t number() const noexcept { return number_; }

 private:
  std::string_view rest_;
  std::string_view line_;
  std::int64_t number_ = 0;
};

/// The text without a leading UTF-8 byte order mark.
[[nodiscard]] std::string_view without_bom(std::string_view text) noexcept;

/// The text without blanks, tabs and carriage returns at both ends.
[[nodiscard]] std::string_view trimmed(std::string_view text) noexcept;

/// @throws FormatError naming the line unless the text is UTF-8 without NUL bytes.
void require_utf8(std::string_view text, std::string_view where, std::int64_t line);

}  // namespace conopa::data
