#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "conopa/core/rng.h"
#include "conopa/points/cloud_set.h"

namespace conopa::points {

/// A surface of triangles.
struct Mesh {
  std::vector<float> vertices;                         ///< [V, 3]
  std::vector<std::array<std::int64_t, 3>> triangles;  ///< indices into vertices
};

/// Draws points on a surface, evenly by area.
/// @throws ShapeError if the mesh has no area.
/// @complexity O(triangles + count·log triangles).
[[nodiscard]] std::vector<float> sample_surface(const Mesh& mesh, std::int64_t count, Rng& rng);

/// Names of the solids that solid() makes; the position is the class.
[[nodiscard]] std::span<const std::string_view> solid_names();

/// One solid within about [-1, 1]³, its proportions drawn from rng.
/// @param kind  0 ≤ kind < solid_names().size().
[[nodiscard]] Mesh solid(std::int64_t kind, Rng& rng);

/// A small dataset of solids.
struct SolidsOptions {
  std::int64_t clouds = 1000;  ///< classes take turns
  std::int64_t points = 1024;  ///< a cloud
  double noise = 0.02;         ///< standard deviation added to every coordinate
  double cut = 0.2;            ///< largest part that a random plane cuts away, as a scan would
  std::int64_t seed = 0;
  std::int64_t split = 0;  ///< another number, other clouds of the same kind

  /// @throws ConfigError for counts below 1, negative noise, or a cut outside [0, 0.8].
  void validate() const;
};

/// Clouds of solids in random proportions, size and pose, with noise, a part cut away, moved to the
/// unit ball. A pure function of the options, parallel over clouds.
[[nodiscard]] CloudSet make_solids(const SolidsOptions& options);

}  // namespace conopa::points
