#include "conopa/points/sampling.h"

#include <algorithm>

#include "conopa/core/error.h"
#include "conopa/core/parallel.h"
#include "points/columns.h"

namespace conopa::points {
namespace {

constexpr std::int64_t kBlock = 256;     // points whose largest distance is remembered together
constexpr float kFar = 1e10F;            // a distance before the first choice
constexpr float kNever = -1.0F;          // a distance that stays below all others
constexpr float kReleasedLimit = 1e-3F;  // squared; the kernel takes such points for padding

// Distances of N points from the nearest point chosen so far.
class NearestChosen {
 public:
  NearestChosen(std::span<const float> points, FpsRule rule)
      : columns_(points), distances_(static_cast<std::size_t>(columns_.size()), kFar) {
    if (rule == FpsRule::kPlain) return;
    for (std::size_t i = 0; i < distances_.size(); ++i) {
      const float x = columns_.x()[i];
      const float y = columns_.y()[i];
      const float z = columns_.z()[i];
      if (x * x + y * y + z * z <= kReleasedLimit) distances_[i] = kNever;
    }
  }

  // Takes a point in and returns the one that is furthest now.
  std::int64_t choose(std::int64_t index) {
    const std::int64_t size = columns_.size();
    const auto at = static_cast<std::size_t>(index);
    const std::array<float, 3> chosen{columns_.x()[at], columns_.y()[at], columns_.z()[at]};
    float best = 2.0F * kNever;
    std::int64_t block = 0;
    for (std::int64_t begin = 0; begin < size; begin += kBlock) {
      const float largest = update(chosen, begin, std::min(begin + kBlock, size));
      if (largest > best) {
        best = largest;
        block = begin;
      }
    }
    std::int64_t found = block;
    while (distances_[static_cast<std::size_t>(found)] != best) ++found;
    return found;
  }

 private:
  float update(const std::array<float, 3>& chosen, std::int64_t begin, std::int64_t end) {
    const float* x = columns_.x();
    const float* y = columns_.y();
    const float* z = columns_.z();
    float* distances = distances_.data();
    const auto [cx, cy, cz] = chosen;
    float largest = 2.0F * kNever;
#pragma omp simd reduction(max : largest)
    for (std::int64_t i = begin; i < end; ++i) {
      const float dx = x[i] - cx;
      const float dy = y[i] - cy;
      const float dz = z[i] - cz;
      const float distance = dx * dx + dy * dy + dz * dz;
      const float nearest = distance < distances[i] ? distance : distances[i];
      distances[i] = nearest;
      largest = nearest > largest ? nearest : largest;
    }
    return largest;
  }

  Columns columns_;
  std::vector<float> distances_;
};

void choose_into(std::span<const float> points, FpsRule rule, std::span<std::int64_t> chosen) {
  NearestChosen state(points, rule);
  chosen[0] = 0;
  for (std::size_t i = 1; i < chosen.size(); ++i) chosen[i] = state.choose(chosen[i - 1]);
}

void check(std::size_t numbers, std::int64_t clouds, std::int64_t count) {
  CONOPA_ASSERT(clouds >= 0 && count >= 1);
  if (clouds == 0 || numbers == 0 || numbers % (3 * static_cast<std::size_t>(clouds)) != 0) {
    throw ShapeError("furthest_points", "expected {} clouds of x, y, z, got {} numbers", clouds,
                     numbers);
  }
  const auto points = static_cast<std::int64_t>(numbers) / 3 / clouds;
  if (points < count) {
    throw ShapeError("furthest_points",
                     "expected at least {} points in a cloud, found {}; choose fewer points or "
                     "groups, or denser clouds",
                     count, points);
  }
}

}  // namespace

std::vector<std::int64_t> furthest_points(std::span<const float> points, std::int64_t count,
                                          FpsRule rule) {
  check(points.size(), 1, count);
  std::vector<std::int64_t> chosen(static_cast<std::size_t>(count));
  choose_into(points, rule, chosen);
  return chosen;
}

std::vector<std::int64_t> furthest_points_of_all(std::span<const float> points, std::int64_t clouds,
                                                 std::int64_t count, FpsRule rule) {
  check(points.size(), clouds, count);
  const std::size_t cloud_size = points.size() / static_cast<std::size_t>(clouds);
  const auto width = static_cast<std::size_t>(count);
  std::vector<std::int64_t> chosen(static_cast<std::size_t>(clouds) * width);
  parallel_for(0, clouds, 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto b = static_cast<std::size_t>(begin); b < static_cast<std::size_t>(end); ++b) {
      choose_into(points.subspan(b * cloud_size, cloud_size), rule,
                  std::span(chosen).subspan(b * width, width));
    }
  });
  return chosen;
}

std::vector<float> take_points(std::span<const float> points,
                               std::span<const std::int64_t> indices) {
  std::vector<float> out;
  out.reserve(indices.size() * 3);
  for (const std::int64_t index : indices) {
    const auto from = points.begin() + index * 3;
    out.insert(out.end(), from, from + 3);
  }
  return out;
}

}  // namespace conopa::points
