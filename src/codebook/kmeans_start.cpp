#include "codebook/kmeans_start.h"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>

#include "conopa/core/parallel.h"
#include "conopa/core/rng.h"

namespace conopa::codebook {
namespace {

// Distances are added up by blocks of this many vectors, so that no sum depends on the threads.
constexpr std::size_t kBlock = 4096;

// Squared distance of every vector to the nearest centre so far, and its sums by blocks.
class Distances {
 public:
  Distances(std::span<const float> vectors, std::size_t dims)
      : vectors_(vectors),
        dims_(dims),
        nearest_(vectors.size() / dims, std::numeric_limits<float>::infinity()),
        sums_((nearest_.size() + kBlock - 1) / kBlock) {}

  void add(const float* centre) {
    parallel_for(0, std::ssize(sums_), 1, [&](std::int64_t begin, std::int64_t end) {
      for (auto b = static_cast<std::size_t>(begin); b < static_cast<std::size_t>(end); ++b) {
        const std::size_t last = std::min(nearest_.size(), (b + 1) * kBlock);
        double sum = 0.0;
        for (std::size_t i = b * kBlock; i < last; ++i) {
          nearest_[i] =
              std::min(nearest_[i], squared_distance(vectors_.data() + i * dims_, centre, dims_));
          sum += static_cast<double>(nearest_[i]);
        }
        sums_[b] = sum;
      }
    });
  }

  // The vector at which the running sum of distances passes `share` of the total.
  [[nodiscard]] std::size_t at_share(double share) const {
    const double total = std::accumulate(sums_.begin(), sums_.end(), 0.0);
    double left = share * total;
    std::size_t block = 0;
    while (block + 1 < sums_.size() && left >= sums_[block]) left -= sums_[block++];
    std::size_t found = block * kBlock;  // of equal vectors the first, if all distances are zero
    for (std::size_t i = found; i < std::min(nearest_.size(), (block + 1) * kBlock); ++i) {
      if (nearest_[i] <= 0.0F) continue;
      found = i;
      left -= static_cast<double>(nearest_[i]);
      if (left < 0.0) break;
    }
    return found;
  }

 private:
  std::span<const float> vectors_;
  std::size_t dims_;
  std::vector<float> nearest_;
  std::vector<double> sums_;
};

}  // namespace

float squared_distance(const float* a, const float* b, std::size_t dims) noexcept {
  // Independent sums: one would make every addition wait for the one before.
  constexpr std::size_t kLanes = 16;
  std::array<float, kLanes> sums{};
  std::size_t d = 0;
  for (; d + kLanes <= dims; d += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const float difference = a[d + lane] - b[d + lane];
      sums[lane] += difference * difference;
    }
  }
  for (std::size_t lane = 0; d < dims; ++d, ++lane) {
    const float difference = a[d] - b[d];
    sums[lane] += difference * difference;
  }
  return std::accumulate(sums.begin(), sums.end(), 0.0F);
}

std::vector<float> start_centres(std::span<const float> vectors, std::int64_t dims,
                                 std::int64_t centres, std::int64_t seed) {
  const auto D = static_cast<std::size_t>(dims);
  Rng rng(static_cast<std::uint64_t>(seed), RngPurpose::kClusters);
  std::vector<float> out;
  out.reserve(static_cast<std::size_t>(centres) * D);
  Distances distances(vectors, D);
  auto chosen = static_cast<std::size_t>(rng.below(std::ssize(vectors) / dims));
  for (std::int64_t k = 0; k < centres; ++k) {
    if (k > 0) chosen = distances.at_share(rng.uniform());
    const float* centre = vectors.data() + chosen * D;
    out.insert(out.end(), centre, centre + D);
    distances.add(centre);
  }
  return out;
}

}  // namespace conopa::codebook
