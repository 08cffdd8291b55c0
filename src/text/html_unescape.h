#pragma once

#include <string>
#include <string_view>

namespace conopa::text {

/// Resolves the character references of HTML 5 once: &name; (for the old names also without the
/// semicolon, also inside a longer word), &#12; and &#xC;. Unknown names stay;
/// numbers of control and non-characters vanish, impossible ones become U+FFFD, 128 to 159 are read
/// as Windows-1252.
/// `text` must be UTF-8 and so is the result.
/// @source HTML Living Standard, sections 13.2.5.72 to 80 and 13.5.
[[nodiscard]] std::string html_unescape(std::string_view text);

}  // namespace conopa::text
