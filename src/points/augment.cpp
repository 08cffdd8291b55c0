#include "conopa/points/augment.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "conopa/core/error.h"
#include "conopa/points/sampling.h"

namespace conopa::points {

void AugmentOptions::visit(FieldVisitor& v) {
  v.field("scale", scale, "largest random factor of an axis; the smallest is 1/scale (1 = none)");
  v.field("shift", shift, "largest random shift of an axis (0 = none)");
}

void AugmentOptions::validate() const {
  if (!std::isfinite(scale) || scale < 1.0) {
    throw ConfigError("points.scale", "expected a number of at least 1, got {}", scale);
  }
  if (!std::isfinite(shift) || shift < 0.0) {
    throw ConfigError("points.shift", "expected a number of at least 0, got {}", shift);
  }
}

void scale_and_shift(std::span<float> points, const AugmentOptions& options, Rng& rng) {
  std::array<float, 3> scale{};
  std::array<float, 3> shift{};
  for (float& value : scale) {
    value = static_cast<float>(rng.uniform(1.0 / options.scale, options.scale));
  }
  for (float& value : shift) value = static_cast<float>(rng.uniform(-options.shift, options.shift));
  for (std::size_t i = 0; i < points.size(); ++i) {
    points[i] = points[i] * scale[i % 3] + shift[i % 3];
  }
}

void normalise_to_unit_ball(std::span<float> points) {
  if (points.empty()) return;
  std::array<double, 3> mean{};
  for (std::size_t i = 0; i < points.size(); ++i) mean[i % 3] += double{points[i]};
  for (double& value : mean) value /= static_cast<double>(points.size() / 3);
  double largest = 0.0;
  for (std::size_t i = 0; i < points.size(); i += 3) {
    double square = 0.0;
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const double value = double{points[i + axis]} - mean[axis];
      square += value * value;
    }
    largest = std::max(largest, square);
  }
  const double scale = largest > 0.0 ? 1.0 / std::sqrt(largest) : 0.0;
  for (std::size_t i = 0; i < points.size(); ++i) {
    points[i] = static_cast<float>((double{points[i]} - mean[i % 3]) * scale);
  }
}

void VoteOptions::visit(FieldVisitor& v) {
  v.field("vote_runs", runs,
          "evaluations by voting, of which the best counts (0 = none, released code: 9)");
  v.field("vote_copies", copies, "augmented copies of a cloud whose logits are averaged");
}

void VoteOptions::validate() const {
  if (runs < 0) {
    throw ConfigError("points.vote_runs", "expected a number of at least 0, got {}", runs);
  }
  if (copies < 1) {
    throw ConfigError("points.vote_copies", "expected a number of at least 1, got {}", copies);
  }
}

std::vector<float> vote_cloud(std::span<const float> pool, std::int64_t count,
                              const AugmentOptions& options, std::uint64_t seed,
                              const VoteCopy& copy) {
  const auto run =
      static_cast<std::uint64_t>(copy.run) << 32 | static_cast<std::uint64_t>(copy.copy);
  Rng subset_rng(seed, RngPurpose::kSample, run);
  const std::vector<std::int64_t> subset =
      random_subset(static_cast<std::int64_t>(pool.size()) / 3, count, subset_rng);
  std::vector<float> out = take_points(pool, subset);
  Rng rng(seed, RngPurpose::kAugment, run, static_cast<std::uint64_t>(copy.cloud));
  scale_and_shift(out, options, rng);
  return out;
}

std::vector<std::int64_t> random_subset(std::int64_t pool, std::int64_t count, Rng& rng) {
  if (pool < count) {
    throw ShapeError("random_subset",
                     "expected at least {} points to choose from, found {}; choose fewer points",
                     count, pool);
  }
  std::vector<std::int64_t> order = rng.permutation(pool);
  order.resize(static_cast<std::size_t>(count));
  return order;
}

}  // namespace conopa::points
