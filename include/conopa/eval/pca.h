#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace conopa::eval {

/// The directions in which vectors vary most.
struct PcaBasis {
  std::int64_t dims = 0;
  std::vector<double> mean;        ///< [D]
  std::vector<double> components;  ///< [count, D], unit length, orthogonal, strongest first
  std::vector<double> variances;   ///< [count] along each, unbiased
  double total_variance = 0.0;     ///< along all D directions

  [[nodiscard]] std::int64_t count() const noexcept { return std::ssize(variances); }
};

/// Principal components of the rows, all of one set (say the patches of several images, which then
/// share the basis).
///
/// Orthogonal iteration on the covariance matrix, in double; of each component the loading of
/// largest magnitude (the first of equal ones) is positive. Components beyond the rank of the rows
/// are orthogonal directions of variance 0. The result does not depend on the threads.
/// @param rows   [M, dims] row-major, M ≥ 2.
/// @param count  components wanted, 1 to dims.
/// @throws ShapeError if the sizes do not fit; FormatError if a value is not finite.
/// @complexity O(M·D² + iterations·D²·count), parallel; memory D² doubles.
[[nodiscard]] PcaBasis principal_components(std::span<const float> rows, std::int64_t dims,
                                            std::int64_t count = 3);

/// Coordinates of rows in a basis: (row − mean)·component, [M, count].
/// @throws ShapeError if the rows do not fit the basis.
[[nodiscard]] std::vector<float> project(std::span<const float> rows, const PcaBasis& basis);

}  // namespace conopa::eval
