#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace conopa {

/// Text out of a file, made safe for a message: control characters become '?' (they could cut the
/// message or drive a terminal), and what exceeds `max_chars` is dropped.
[[nodiscard]] std::string printable(std::string_view text, std::size_t max_chars = 200);

}  // namespace conopa
