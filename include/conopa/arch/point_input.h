#pragma once

#include <cstdint>

#include "conopa/arch/spec_enums.h"

namespace conopa::arch {

/// How a cloud of points becomes tokens (Point-BERT, arXiv 2111.14819, section 3.1): centres by
/// furthest point sampling, the nearest points of each, and a small PointNet that turns a group
/// into a token. Part of an EncoderSpec, whose fields it prefixes with "point_"; the number of
/// groups is the spec's width.
struct PointInput {
  std::int64_t count = 1024;  ///< points that training and evaluation give; any number runs
  std::int64_t group = 32;    ///< points of a group
  std::int64_t width = 256;   ///< width E of a group's token before it becomes dim
  CentreRule rule = CentreRule::kPlain;

  /// Widths inside the small PointNet, fixed in the paper's code.
  static constexpr std::int64_t kFirst = 128;
  static constexpr std::int64_t kLocal = 256;   ///< of a point, and of its group's maximum
  static constexpr std::int64_t kJoined = 512;  ///< both next to each other
  /// Hidden width of the position network.
  static constexpr std::int64_t kPosition = 128;
};

}  // namespace conopa::arch
