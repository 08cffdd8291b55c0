#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "conopa/points/sampling.h"

namespace conopa::points {

/// The `size` points nearest to each centre, nearest first; of equally near ones the lowest index.
///
/// @param points   [N, 3], finite.
/// @param centres  [G, 3].
/// @return [G, size] indices into points. A centre that is one of the points finds itself.
/// @throws ShapeError if there are fewer points than `size`.
/// @complexity O(N·G): squared distances in float32, summed over differences. Thread-safe.
[[nodiscard]] std::vector<std::int64_t> nearest_points(std::span<const float> points,
                                                       std::span<const float> centres,
                                                       std::int64_t size);

/// How clouds become groups.
struct GroupOptions {
  std::int64_t groups = 64;
  std::int64_t size = 32;
  FpsRule rule = FpsRule::kPlain;
};

/// Groups of a batch of clouds.
struct Groups {
  std::vector<std::int64_t> chosen;   ///< [B, G]: the centres as indices, in the order of choice
  std::vector<std::int64_t> members;  ///< [B, G, K]: the nearest points of each centre
  std::vector<float> centres;         ///< [B, G, 3]
  std::vector<float> neighbourhoods;  ///< [B, G, K, 3]: members minus their centre
};

/// Furthest point sampling, then the nearest points of each centre, moved to it.
///
/// @param points  [B, N, 3], finite.
/// @throws ShapeError if clouds have fewer points than groups or than a group's size; the message
///         says which setting to change.
/// @complexity O(B·N·G), parallel over clouds; the result does not depend on the threads.
/// @source Yu et al., Point-BERT (arXiv 2111.14819), section 3.1.
[[nodiscard]] Groups group_points(std::span<const float> points, std::int64_t clouds,
                                  const GroupOptions& options);

}  // namespace conopa::points
