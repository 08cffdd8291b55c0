#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace conopa::data {

/// More classes than this are taken for damage, so that one wild label cannot claim the memory.
inline constexpr std::int64_t kMaxClasses = 1'000'000;

/// What the user states about the classes; both may be left out.
struct ClassOptions {
  std::int64_t num_classes = 0;         ///< 0 = as the data has it
  std::vector<std::string> names = {};  ///< empty = as the data has it
};

/// Reads names, one a line, without surrounding blanks; empty lines at the end are dropped.
/// @throws IoError if the file cannot be read, FormatError if it is empty or not UTF-8, or a line
///   in the middle is empty.
[[nodiscard]] std::vector<std::string> read_name_lines(const std::filesystem::path& path);

/// Settles the names of all classes.
///
/// @param where       for messages.
/// @param found       classes the data itself has: highest label + 1.
/// @param file_names  names found beside the data; may be empty. The user's come first.
/// @return num_classes names if that is stated, else one per name, else `found`; classes without a
///   name are called by their number.
/// @throws ConfigError if more names than classes are stated, FormatError if the data has a label
///   beyond them.
[[nodiscard]] std::vector<std::string> settle_class_names(std::string_view where,
                                                          const ClassOptions& options,
                                                          std::int64_t found,
                                                          std::vector<std::string> file_names);

}  // namespace conopa::data
