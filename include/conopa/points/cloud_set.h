#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/core/host_tensor.h"

namespace conopa::points {

/// Labelled clouds of one number of points. The numbers may lie in a mapped file.
struct CloudSet {
  std::string name;                  ///< of the file or folder, for messages
  HostTensor points;                 ///< [N, P, 3], float32, finite
  std::vector<std::int64_t> labels;  ///< [N], 0 ≤ label < number of names
  std::vector<std::string> class_names;

  [[nodiscard]] std::int64_t size() const noexcept {
    return static_cast<std::int64_t>(labels.size());
  }
  /// Points of a cloud.
  [[nodiscard]] std::int64_t points_per_cloud() const { return points.dim(1); }
  /// One cloud, [P, 3].
  [[nodiscard]] std::span<const float> cloud(std::int64_t index) const;

  /// Checks what the members promise.
  /// @throws ShapeError for other shapes, FormatError naming the cloud for a number that is not
  ///         finite or a label without a name.
  void check() const;
};

/// Throws FormatError, naming file, cloud and point, if a number is not finite.
///
/// @param points  [P, 3].
void require_finite(std::span<const float> points, std::string_view file, std::int64_t cloud);

/// Names of the classes: the lines of the first of `files` that exists, else "0" to "classes-1".
/// @throws FormatError if a file has no line, or a line twice.
[[nodiscard]] std::vector<std::string> read_class_names(
    std::span<const std::filesystem::path> files, std::int64_t classes);

/// Reduces every cloud to `count` points by furthest point sampling, in the order of choice, so
/// that a prefix is itself a furthest-point sample.
///
/// @throws ShapeError if clouds have fewer points; the message names the file.
/// @complexity O(N·P·count), parallel over clouds.
[[nodiscard]] CloudSet furthest_subset(const CloudSet& set, std::int64_t count);

/// A copy whose clouds are each moved and scaled to the unit ball (normalise_to_unit_ball).
[[nodiscard]] CloudSet normalised(const CloudSet& set);

}  // namespace conopa::points
