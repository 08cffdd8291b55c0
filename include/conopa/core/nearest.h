#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace conopa {

/// The candidate that a mistyped word most likely means, or nothing if none is close.
///
/// Close means: equal but for case, `-`/`_` or the order of its `_`-separated parts; or one part
/// longer or shorter (`lr` for `lr_peak`); or at most a third of the letters changed, inserted,
/// dropped or swapped with a neighbour. The first of equally close candidates wins.
/// @complexity O(candidates · length²); words above 100 bytes find nothing. Thread-safe.
/// @source Damerau, "A technique for computer detection and correction of spelling errors", 1964
///         (optimal string alignment form).
[[nodiscard]] std::optional<std::string> nearest_name(std::string_view word,
                                                      std::span<const std::string_view> candidates);
[[nodiscard]] std::optional<std::string> nearest_name(std::string_view word,
                                                      std::span<const std::string> candidates);

/// "; did you mean 'x'?", or "" if nothing is close: the end of a message about an unknown name.
[[nodiscard]] std::string did_you_mean(std::string_view word,
                                       std::span<const std::string_view> candidates);
[[nodiscard]] std::string did_you_mean(std::string_view word,
                                       std::span<const std::string> candidates);

}  // namespace conopa
