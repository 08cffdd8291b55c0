#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace conopa::codebook {

/// First centres [K, D] by k-means++: every next one is a vector drawn with a chance that grows
/// with its squared distance to the centres before it.
[[nodiscard]] std::vector<float> start_centres(std::span<const float> vectors, std::int64_t dims,
                                               std::int64_t centres, std::int64_t seed);

/// Sum of squared differences of two rows.
[[nodiscard]] float squared_distance(const float* a, const float* b, std::size_t dims) noexcept;

}  // namespace conopa::codebook
