#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace conopa::report {

/// A table of texts: one row per item of a study, the first column naming it.
struct TextTable {
  std::string title{};  ///< may be empty
  std::vector<std::string> header{};
  std::vector<std::vector<std::string>> rows{};

  /// @throws ShapeError if a row is longer or shorter than the header.
  void validate() const;
};

/// The table as lines of comma-separated values, header first; cells with comma, quote or line
/// break are quoted. The title is left out.
/// @throws ShapeError as validate.
/// @source RFC 4180, with "\n" as line end.
[[nodiscard]] std::string table_csv(const TextTable& table);

/// The table as lines of aligned columns for a terminal, header first, numbers to the right. The
/// title is left out. Widths count code points, so wide scripts may shift columns.
/// @throws ShapeError as validate.
[[nodiscard]] std::string table_text(const TextTable& table);

/// Which columns hold numbers only, where nothing, "-" or "–" may stand for a missing one. The
/// first names the row and never counts.
/// @throws ShapeError as validate.
[[nodiscard]] std::vector<bool> numeric_columns(const TextTable& table);

/// Whether the text is a number, also with unit or spread: "91.8 %", "1,024", "4 k", "0.9 ± 0.02".
[[nodiscard]] bool is_numeric_cell(std::string_view text) noexcept;

}  // namespace conopa::report
