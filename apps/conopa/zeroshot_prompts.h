#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace conopa::app {

/// The template without --templates, as in the usage example of the released models.
inline constexpr std::string_view kPlainTemplate = "Picture of a {}.";

/// Templates of a file, one a line.
/// @throws FormatError naming the line that has no {}, is empty or not UTF-8; IoError.
[[nodiscard]] std::vector<std::string> read_templates(const std::filesystem::path& path);

/// A template with the class's name in place of every {}.
[[nodiscard]] std::string fill_template(std::string_view form, std::string_view name);

/// A class's name as words: folders are often called "golden_retriever".
[[nodiscard]] std::string spoken_name(std::string name);

/// The classes to tell apart on labelled data, those of the data first and in its order, so that
/// its labels count them.
///
/// @param listed  the user's; empty: the data's own, spoken. If they hold every name of the data
///                once, those belong together; else they name the data's classes in its order.
/// @param data    names of the data.
/// @param where   of the list, for messages.
/// @throws FormatError if names differ and the numbers too.
[[nodiscard]] std::vector<std::string> classes_for_data(const std::vector<std::string>& listed,
                                                        const std::vector<std::string>& data,
                                                        std::string_view where);

}  // namespace conopa::app
