#pragma once

#include <cstdint>
#include <string>

namespace conopa::text::testing {

/// Eight merges on top of the 512 bytes: ids 512..519 in this order, start 520, end 521.
inline const std::string kTinyMerges =
    "#version: tiny\n"
    "l o\n"         // 512 lo
    "lo w</w>\n"    // 513 low</w>
    "e r</w>\n"     // 514 er</w>
    "lo w\n"        // 515 low
    "low er</w>\n"  // 516 lower</w>
    "' s</w>\n"     // 517 's</w>
    "a b\n"         // 518 ab
    "ab c</w>\n";   // 519 abc</w>

/// The id of a printable ASCII character inside a word: those come first, in order.
constexpr std::int64_t inner(char c) { return c - '!'; }
/// And at its end.
constexpr std::int64_t last(char c) { return 256 + c - '!'; }

}  // namespace conopa::text::testing
