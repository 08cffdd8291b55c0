#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace conopa::codebook {

struct KMeansOptions {
  std::int64_t centres = 512;
  std::int64_t iterations = 25;  ///< at most; it stops when no vector changes its centre
  std::int64_t seed = 0;

  /// @throws ConfigError naming the option that is out of range.
  void validate() const;
};

/// K centres of D numbers, and how well they stand for the vectors.
struct KMeansResult {
  std::vector<float> centres;        ///< [K, D]
  std::vector<std::int64_t> labels;  ///< [M] nearest centre of every vector
  std::vector<std::int64_t> counts;  ///< [K] vectors of every centre
  std::vector<double> inertia;       ///< sum of squared distances: start, then each iteration
  bool settled = false;              ///< the last iteration changed nothing
};

/// The centre that is nearest to each vector; of equally near ones the first.
///
/// @param vectors  [M, D] row-major, finite.
/// @param centres  [K, D].
/// @param squared  if not empty, [M] receives the squared distances (summed over differences).
/// @throws ShapeError if the lengths do not fit.
/// @complexity O(M·K·D) on kernels::matmul, parallel; the result does not depend on the threads.
[[nodiscard]] std::vector<std::int64_t> nearest_centres(std::span<const float> vectors,
                                                        std::span<const float> centres,
                                                        std::int64_t dims,
                                                        std::span<float> squared = {});

/// k-means: a k-means++ start, then Lloyd's iterations. A centre that lost all its vectors moves to
/// the vector that is farthest from its own centre.
///
/// The same vectors, options and instruction set give the same bytes with any number of threads.
/// With fewer distinct vectors than centres some centres stay without vectors.
/// @param vectors  [M, D] row-major.
/// @param after    called with the number of iterations done and the inertia, if given.
/// @throws ConfigError as KMeansOptions::validate; ShapeError if M·D does not fit or M < centres;
///         FormatError if a value is not finite.
/// @complexity O(M·K·D) for the start and per iteration; 200,000 vectors, 512 centres, 48 numbers:
///             25 iterations take under 3 s on two cores.
/// @source Arthur, Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007.
[[nodiscard]] KMeansResult kmeans(
    std::span<const float> vectors, std::int64_t dims, const KMeansOptions& options,
    const std::function<void(std::int64_t iteration, double inertia)>& after = {});

/// Entropy in bits of how often the centres are used: log2 K if all are used alike, 0 for one.
[[nodiscard]] double use_entropy(std::span<const std::int64_t> counts);

}  // namespace conopa::codebook
