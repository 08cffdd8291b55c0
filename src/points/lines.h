#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace conopa::points {

/// The lines of a text file without blanks at their ends and without empty ones.
/// @throws IoError if it cannot be read, FormatError if it is not UTF-8.
[[nodiscard]] std::vector<std::string> read_lines(const std::filesystem::path& file);

}  // namespace conopa::points
