#pragma once

#include <string_view>

#include "core/value_tree.h"

namespace conopa::detail {

/// Parses a JSON object. Duplicate keys, nesting beyond 32 levels and text above 4 MiB are refused;
/// integers beyond 64 bits become unsupported values.
/// @throws ConfigError
[[nodiscard]] ValueTable parse_json(std::string_view text, std::string_view where);

}  // namespace conopa::detail
