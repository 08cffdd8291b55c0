#include "conopa/points/sampling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/core/error.h"
#include "conopa/core/parallel.h"
#include "conopa/core/rng.h"
#include "tests/core/thrown.h"

namespace conopa::points {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Indices = std::vector<std::int64_t>;

std::vector<float> random_points(std::int64_t count, std::uint64_t seed) {
  Rng rng(seed, RngPurpose::kTest);
  std::vector<float> points(static_cast<std::size_t>(count) * 3);
  for (float& value : points) value = static_cast<float>(rng.uniform(-1.0, 1.0));
  return points;
}

float squared(std::span<const float> points, std::int64_t a, std::int64_t b) {
  float sum = 0.0F;
  for (std::int64_t axis = 0; axis < 3; ++axis) {
    const float d = points[static_cast<std::size_t>(a * 3 + axis)] -
                    points[static_cast<std::size_t>(b * 3 + axis)];
    sum += d * d;
  }
  return sum;
}

// The definition, without any cleverness.
Indices slow_furthest(std::span<const float> points, std::int64_t count, FpsRule rule) {
  const auto size = static_cast<std::int64_t>(points.size()) / 3;
  std::vector<float> nearest(static_cast<std::size_t>(size), 1e10F);
  Indices chosen{0};
  while (static_cast<std::int64_t>(chosen.size()) < count) {
    float best = -1.0F;
    std::int64_t found = 0;
    for (std::int64_t i = 0; i < size; ++i) {
      const auto at = static_cast<std::size_t>(i * 3);
      const float length = points[at] * points[at] + points[at + 1] * points[at + 1] +
                           points[at + 2] * points[at + 2];
      if (rule == FpsRule::kReleased && length <= 1e-3F) continue;
      float& distance = nearest[static_cast<std::size_t>(i)];
      distance = std::min(distance, squared(points, i, chosen.back()));
      if (distance > best) {
        best = distance;
        found = i;
      }
    }
    chosen.push_back(found);
  }
  return chosen;
}

TEST(FurthestPointsTest, ChoosesTheFurthestOnALine) {
  const std::vector<float> points{0, 0, 1, 0, 0, 2, 0, 0, 9, 0, 0, 5};
  EXPECT_THAT(furthest_points(points, 4), ElementsAre(0, 2, 3, 1));
}

TEST(FurthestPointsTest, TiesGoToTheLowestIndex) {
  // The corners of a square around the first point, beyond one block of the search.
  std::vector<float> points(3 * 600, 0.0F);
  for (const std::size_t corner : {300U, 550U, 599U}) points[corner * 3] = 2.0F;
  EXPECT_THAT(furthest_points(points, 2), ElementsAre(0, 300));
}

TEST(FurthestPointsTest, ReleasedRuleNeverChoosesPointsNearTheOrigin) {
  // Point 1 lies just inside |p|² = 1e-3, point 2 just outside.
  const std::vector<float> points{5, 0, 0, -0.0316F, 0, 0, 0.0317F, 0, 0, 1, 0, 0};
  EXPECT_THAT(furthest_points(points, 3, FpsRule::kPlain), ElementsAre(0, 1, 3));
  EXPECT_THAT(furthest_points(points, 3, FpsRule::kReleased), ElementsAre(0, 2, 3));
  const std::vector<float> all_near{0, 0, 0, 0.01F, 0, 0, 0, 0.01F, 0};
  EXPECT_THAT(furthest_points(all_near, 3, FpsRule::kReleased), ElementsAre(0, 0, 0));
  const std::vector<float> one_far{0, 0, 0, 0.01F, 0, 0, 0, 1, 0};
  EXPECT_THAT(furthest_points(one_far, 3, FpsRule::kReleased), ElementsAre(0, 2, 2));
}

class FurthestPointsSizeTest : public ::testing::TestWithParam<std::int64_t> {};

TEST_P(FurthestPointsSizeTest, EqualsTheDefinition) {
  const std::int64_t size = GetParam();
  std::vector<float> points = random_points(size, 3);
  for (std::size_t i = 0; i < points.size() / 2; ++i) points[i] *= 0.05F;  // many near the origin
  for (const FpsRule rule : {FpsRule::kPlain, FpsRule::kReleased}) {
    const std::int64_t count = std::min<std::int64_t>(size, 40);
    EXPECT_EQ(furthest_points(points, count, rule), slow_furthest(points, count, rule));
  }
}
INSTANTIATE_TEST_SUITE_P(Sizes, FurthestPointsSizeTest,
                         ::testing::Values(1, 2, 7, 255, 256, 257, 1000));

TEST(FurthestPointsTest, AllCloudsEqualOneByOneWithAnyThreads) {
  const std::vector<float> points = random_points(5 * 100, 4);
  const int before = num_threads();
  for (const int threads : {1, 3}) {
    set_num_threads(threads);
    const Indices all = furthest_points_of_all(points, 5, 10);
    for (std::size_t b = 0; b < 5; ++b) {
      const Indices one = furthest_points(std::span(points).subspan(b * 300, 300), 10);
      EXPECT_TRUE(std::equal(one.begin(), one.end(), all.begin() + static_cast<int>(b) * 10));
    }
  }
  set_num_threads(before);
}

TEST(FurthestPointsTest, RefusesMorePointsThanThereAre) {
  const std::string message = testing::message_of<ShapeError>(
      [] { return furthest_points(std::vector<float>(9, 1.0F), 4); });
  EXPECT_THAT(message, HasSubstr("at least 4 points in a cloud, found 3"));
}

}  // namespace
}  // namespace conopa::points
