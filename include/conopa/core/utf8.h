#pragma once

#include <string_view>

namespace conopa {

/// Whether the bytes are well-formed UTF-8 (no surrogates, no overlong forms, no NUL).
[[nodiscard]] bool is_utf8_text(std::string_view text) noexcept;

}  // namespace conopa
