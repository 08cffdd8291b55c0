#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "conopa/core/fields.h"
#include "conopa/core/rng.h"

namespace conopa::points {

/// Random scale and shift of a cloud, drawn for every axis on its own.
struct AugmentOptions {
  double scale = 1.5;  ///< factors lie in [1/scale, scale]
  double shift = 0.2;  ///< U[-shift, shift], in units of the cloud

  void visit(FieldVisitor& v);
  /// @throws ConfigError unless scale ≥ 1 and shift ≥ 0, both finite.
  void validate() const;
};

/// Multiplies each axis by a factor out of U[1/scale, scale] and adds one out of U[-shift, shift].
///
/// @param points  [N, 3], in place.
/// @param rng     six numbers are drawn: three factors, three shifts.
void scale_and_shift(std::span<float> points, const AugmentOptions& options, Rng& rng);

/// Moves the mean to the origin and scales so that the furthest point has length 1; a cloud whose
/// points are all the same ends at the origin.
///
/// @param points  [N, 3], in place; sums in double.
void normalise_to_unit_ball(std::span<float> points);

/// The copies over whose logits an evaluation votes: `runs` evaluations, of each of which every
/// cloud is seen as `copies` augmented copies whose logits are averaged; the best run counts.
///
/// Taking the best of several runs on the test set is what the released code reports; it favours
/// the model (0 runs = no voting).
struct VoteOptions {
  std::int64_t runs = 0;
  std::int64_t copies = 10;

  void visit(FieldVisitor& v);
  /// @throws ConfigError if a number is negative or copies is 0.
  void validate() const;
};

/// Which copy of which cloud.
struct VoteCopy {
  std::int64_t run = 0;
  std::int64_t copy = 0;
  std::int64_t cloud = 0;
};

/// Makes one copy: `count` random points out of the pool, scaled and shifted. A pure function of
/// seed and copy; the subset is the same for all clouds of one (run, copy), as in training.
///
/// @param pool   [M, 3], M ≥ count: points chosen by furthest point sampling.
/// @return [count, 3].
/// @throws ShapeError if the pool is smaller than count.
[[nodiscard]] std::vector<float> vote_cloud(std::span<const float> pool, std::int64_t count,
                                            const AugmentOptions& options, std::uint64_t seed,
                                            const VoteCopy& copy);

/// `count` of 0..pool-1 in random order: one training batch's choice of points.
/// @throws ShapeError if the pool is smaller than count.
[[nodiscard]] std::vector<std::int64_t> random_subset(std::int64_t pool, std::int64_t count,
                                                      Rng& rng);

}  // namespace conopa::points
