#include "llm/feed_forward_width.h"

#include "conopa/core/error.h"

namespace conopa::llm {

std::int64_t feed_forward_width(std::int64_t dim, std::int64_t multiple_of,
                                std::optional<double> multiplier, std::string_view where) {
  constexpr std::int64_t kMostMultiple = std::int64_t{1} << 24;
  constexpr double kMostMultiplier = 1024.0;
  if (multiple_of < 1 || multiple_of > kMostMultiple) {
    throw FormatError(where, "expected multiple_of from 1 to {}, found {}", kMostMultiple,
                      multiple_of);
  }
  std::int64_t width = 8 * dim / 3;
  if (multiplier) {
    if (!(*multiplier > 0.0 && *multiplier <= kMostMultiplier)) {
      throw FormatError(where, "expected ffn_dim_multiplier above 0 and at most {}, found {}",
                        kMostMultiplier, *multiplier);
    }
    width = static_cast<std::int64_t>(*multiplier * static_cast<double>(width));
  }
  return (width + multiple_of - 1) / multiple_of * multiple_of;
}

FeedForwardRule feed_forward_rule(std::int64_t dim, std::int64_t hidden) {
  std::int64_t power = 256;
  while (power > 1 && hidden % power != 0) power /= 2;
  for (std::int64_t multiple = power; multiple >= 1; multiple /= 2) {
    if (feed_forward_width(dim, multiple, std::nullopt, "params.json") == hidden) {
      return {.multiple_of = multiple, .multiplier = {}};
    }
  }
  // Half an element above the width, so that cutting to an integer cannot fall below it.
  const double base = static_cast<double>(8 * dim / 3);
  return {.multiple_of = 1, .multiplier = (static_cast<double>(hidden) + 0.5) / base};
}

}  // namespace conopa::llm
