#pragma once

#include <memory>
#include <string_view>

#include "core/value_tree.h"

namespace conopa::detail {

/// Parses TOML text into a table that knows where each key stands.
/// @throws ConfigError for a syntax error or nesting beyond Config::kMaxDepth.
[[nodiscard]] ValueTable parse_toml(std::string_view text,
                                    std::shared_ptr<const ValueSource> source);

/// Applies one `a.b=c` override; the value is TOML if it parses as such and else a plain string.
/// @throws ConfigError if the text is no override or a part of the path is not a table.
void apply_override(ValueTable& root, std::string_view text);

}  // namespace conopa::detail
