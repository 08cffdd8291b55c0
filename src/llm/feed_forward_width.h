#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace conopa::llm {

/// Width of the feed-forward layer by Meta's rule: int(8 dim / 3), times the multiplier if there is
/// one and cut to an integer, rounded up to a multiple.
/// @throws FormatError naming `where` if multiple or multiplier are out of range.
[[nodiscard]] std::int64_t feed_forward_width(std::int64_t dim, std::int64_t multiple_of,
                                              std::optional<double> multiplier,
                                              std::string_view where);

/// Parameters with which the rule gives a width.
struct FeedForwardRule {
  std::int64_t multiple_of = 256;
  std::optional<double> multiplier;  ///< only where no multiple does it alone
};
[[nodiscard]] FeedForwardRule feed_forward_rule(std::int64_t dim, std::int64_t hidden);

}  // namespace conopa::llm
