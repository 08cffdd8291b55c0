#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace conopa::eval {

/// Singular values of a small dense matrix, descending.
///
/// One-sided Jacobi in double precision: pairs of columns are rotated until all are orthogonal;
/// their lengths are then the singular values. Written here because no Debian package gives an SVD
/// without adding Eigen or LAPACK to a build that needs neither elsewhere, and because Jacobi is
/// accurate for small singular values too. Meant for up to a few hundred columns.
///
/// @param matrix [rows, cols] row-major.
/// @return min(rows, cols) values.
/// @throws ShapeError if the sizes do not fit, FormatError if a value is not finite.
/// @complexity O(sweeps·rows·cols²), about 6 to 10 sweeps.
/// @source Hestenes (1958); convergence test of Drmač and Veselić (2008), section 1.
[[nodiscard]] std::vector<double> singular_values(std::span<const double> matrix, std::int64_t rows,
                                                  std::int64_t cols);

/// Rank curves of attention maps.
struct RankCurves {
  std::int64_t layers = 0;
  std::int64_t heads = 0;
  std::int64_t tokens = 0;
  /// [layer, head, N]: cumulative sum of the descending singular values over their total.
  std::vector<double> cumulative;
  /// [layer, head]: 1-based index at which the curve first reaches the threshold; 0 for an
  /// all-zero map.
  std::vector<std::int64_t> index;
};

/// How many singular directions an attention map needs: singular values sorted descending, divided
/// by their sum, cumulated. Maps are given after the mask, averaged over the images.
///
/// @param maps [layer, head, N, N] row-major.
/// @throws ShapeError, FormatError as singular_values. Uses parallel_for over the maps.
/// @source iLLaMA (arXiv 2404.06773), section 3.7.
[[nodiscard]] RankCurves attention_rank(std::span<const double> maps, std::int64_t layers,
                                        std::int64_t heads, std::int64_t tokens,
                                        double threshold = 0.8);

}  // namespace conopa::eval
