#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace conopa::llm {

/// Layers that a text names, in its order: numbers from 0, negative ones from the end ("-1"),
/// "last", ranges "0-3" with both ends, and lists of them joined by commas ("30,31").
///
/// @param layers  how many there are, >= 1.
/// @throws ConfigError for anything else, numbers that are not there, and layers named twice.
[[nodiscard]] std::vector<std::int64_t> parse_layers(std::string_view text, std::int64_t layers);

}  // namespace conopa::llm
