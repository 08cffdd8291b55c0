#include "conopa/points/grouping.h"

#include <algorithm>
#include <bit>

#include "conopa/core/error.h"
#include "conopa/core/parallel.h"
#include "points/columns.h"

namespace conopa::points {
namespace {

// A squared distance and an index as one number that sorts by both: bits of non-negative floats
// grow with their values.
std::uint64_t key_of(float distance, std::int64_t index) {
  return std::uint64_t{std::bit_cast<std::uint32_t>(distance)} << 32 |
         static_cast<std::uint32_t>(index);
}

// Keeps the smallest keys out of a stream. Most keys fail at the limit, which tightens as the
// buffer is pruned.
class Smallest {
 public:
  explicit Smallest(std::size_t count) : count_(count), room_(count * 4 + 64) {
    keys_.reserve(room_);
  }

  void clear() {
    keys_.clear();
    limit_ = ~std::uint64_t{0};
  }
  [[nodiscard]] float limit_distance() const {
    return std::bit_cast<float>(static_cast<std::uint32_t>(limit_ >> 32));
  }
  [[nodiscard]] bool full() const { return limit_ != ~std::uint64_t{0}; }
  void add(std::uint64_t key) {
    if (key > limit_) return;
    keys_.push_back(key);
    if (keys_.size() == room_) prune();
  }
  // Writes the indices, smallest key first.
  void finish(std::span<std::int64_t> out) {
    prune();
    std::sort(keys_.begin(), keys_.end());
    for (std::size_t i = 0; i < count_; ++i) {
      out[i] = static_cast<std::int64_t>(keys_[i] & 0xFFFFFFFFU);
    }
  }

 private:
  void prune() {
    const auto last = keys_.begin() + static_cast<std::ptrdiff_t>(count_) - 1;
    std::nth_element(keys_.begin(), last, keys_.end());
    limit_ = *last;
    keys_.resize(count_);
  }

  std::size_t count_;
  std::size_t room_;
  std::uint64_t limit_ = ~std::uint64_t{0};
  std::vector<std::uint64_t> keys_;
};

void squared_distances(const Columns& points, std::span<const float> centre, std::span<float> out) {
  const float* x = points.x();
  const float* y = points.y();
  const float* z = points.z();
  float* target = out.data();
  const float cx = centre[0];
  const float cy = centre[1];
  const float cz = centre[2];
  const std::int64_t size = points.size();
#pragma omp simd
  for (std::int64_t i = 0; i < size; ++i) {
    const float dx = x[i] - cx;
    const float dy = y[i] - cy;
    const float dz = z[i] - cz;
    target[i] = dx * dx + dy * dy + dz * dz;
  }
}

void nearest_into(const Columns& points, std::span<const float> centres, std::size_t size,
                  std::span<std::int64_t> out) {
  Smallest smallest(size);
  std::vector<float> distances(static_cast<std::size_t>(points.size()));
  for (std::size_t g = 0; g * 3 < centres.size(); ++g) {
    squared_distances(points, centres.subspan(g * 3, 3), distances);
    smallest.clear();
    for (std::int64_t i = 0; i < points.size(); ++i) {
      const float distance = distances[static_cast<std::size_t>(i)];
      if (smallest.full() && distance > smallest.limit_distance()) continue;
      smallest.add(key_of(distance, i));
    }
    smallest.finish(out.subspan(g * size, size));
  }
}

void check_group_size(std::int64_t points, std::int64_t size) {
  CONOPA_ASSERT(size >= 1 && points <= INT32_MAX);
  if (points < size) {
    throw ShapeError("nearest_points",
                     "expected at least {} points in a cloud, the size of a group, found {}; "
                     "choose a smaller group_size or denser clouds",
                     size, points);
  }
}

// One cloud into its rows of the result.
void group_one(std::span<const float> points, const GroupOptions& options, std::size_t cloud,
               Groups& out) {
  const auto count = static_cast<std::size_t>(options.groups);
  const auto size = static_cast<std::size_t>(options.size);
  const std::span members = std::span(out.members).subspan(cloud * count * size, count * size);
  const std::span centres = std::span(out.centres).subspan(cloud * count * 3, count * 3);
  const std::span moved =
      std::span(out.neighbourhoods).subspan(cloud * count * size * 3, count * size * 3);
  const std::vector<std::int64_t> chosen = furthest_points(points, options.groups, options.rule);
  std::copy(chosen.begin(), chosen.end(),
            out.chosen.begin() + static_cast<std::ptrdiff_t>(cloud * count));
  const std::vector<float> taken = take_points(points, chosen);
  std::copy(taken.begin(), taken.end(), centres.begin());
  nearest_into(Columns(points), centres, size, members);
  for (std::size_t m = 0; m < members.size(); ++m) {
    for (std::size_t axis = 0; axis < 3; ++axis) {
      moved[m * 3 + axis] =
          points[static_cast<std::size_t>(members[m]) * 3 + axis] - centres[m / size * 3 + axis];
    }
  }
}

}  // namespace

std::vector<std::int64_t> nearest_points(std::span<const float> points,
                                         std::span<const float> centres, std::int64_t size) {
  CONOPA_ASSERT(points.size() % 3 == 0 && centres.size() % 3 == 0);
  check_group_size(static_cast<std::int64_t>(points.size()) / 3, size);
  std::vector<std::int64_t> out(centres.size() / 3 * static_cast<std::size_t>(size));
  nearest_into(Columns(points), centres, static_cast<std::size_t>(size), out);
  return out;
}

Groups group_points(std::span<const float> points, std::int64_t clouds,
                    const GroupOptions& options) {
  CONOPA_ASSERT(clouds >= 1 && options.groups >= 1);
  const std::size_t batch = static_cast<std::size_t>(clouds);
  CONOPA_ASSERT(points.size() % (batch * 3) == 0);
  const std::size_t cloud_size = points.size() / batch;
  const auto per_cloud = static_cast<std::int64_t>(cloud_size) / 3;
  if (per_cloud < options.groups) {
    throw ShapeError("group_points",
                     "expected at least {} points in a cloud, one a group, found {}; choose fewer "
                     "groups or denser clouds",
                     options.groups, per_cloud);
  }
  check_group_size(per_cloud, options.size);
  const std::size_t groups = batch * static_cast<std::size_t>(options.groups);
  const std::size_t members = groups * static_cast<std::size_t>(options.size);
  Groups out{.chosen = std::vector<std::int64_t>(groups),
             .members = std::vector<std::int64_t>(members),
             .centres = std::vector<float>(groups * 3),
             .neighbourhoods = std::vector<float>(members * 3)};
  parallel_for(0, clouds, 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto b = static_cast<std::size_t>(begin); b < static_cast<std::size_t>(end); ++b) {
      group_one(points.subspan(b * cloud_size, cloud_size), options, b, out);
    }
  });
  return out;
}

}  // namespace conopa::points
