#include "conopa/points/grouping.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "conopa/core/error.h"
#include "conopa/core/parallel.h"
#include "conopa/core/rng.h"
#include "tests/core/thrown.h"

namespace conopa::points {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Coordinates out of few values, so that distances tie often.
std::vector<float> coarse_points(std::int64_t count) {
  Rng rng(8, RngPurpose::kTest);
  std::vector<float> points(static_cast<std::size_t>(count) * 3);
  for (float& value : points) value = static_cast<float>(rng.below(5)) * 0.25F;
  return points;
}

TEST(NearestPointsTest, NearestFirstAndTiesToTheLowestIndex) {
  const std::vector<float> points{3, 0, 0, 1, 0, 0, 0, 0, 0, -1, 0, 0};
  const std::vector<float> centre{0, 0, 0};
  EXPECT_THAT(nearest_points(points, centre, 3), ElementsAre(2, 1, 3));
}

TEST(NearestPointsTest, EqualsAFullSort) {
  const std::vector<float> points = coarse_points(700);
  const std::vector<float> centres(points.begin(), points.begin() + 30);
  for (const std::int64_t size : {1, 5, 32, 700}) {
    const std::vector<std::int64_t> found = nearest_points(points, centres, size);
    for (std::size_t g = 0; g < 10; ++g) {
      std::vector<float> distances(700);
      for (std::size_t i = 0; i < 700; ++i) {
        for (std::size_t axis = 0; axis < 3; ++axis) {
          const float d = points[i * 3 + axis] - centres[g * 3 + axis];
          distances[i] += d * d;
        }
      }
      std::vector<std::int64_t> order(700);
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
        return distances[static_cast<std::size_t>(a)] < distances[static_cast<std::size_t>(b)];
      });
      EXPECT_TRUE(std::equal(order.begin(), order.begin() + size,
                             found.begin() + static_cast<std::ptrdiff_t>(g) * size));
    }
  }
}

TEST(GroupPointsTest, MembersAreMovedToTheirCentre) {
  const std::vector<float> points{1, 0, 0, 2, 0, 0, 10, 1, 0, 11, 1, 0};
  const Groups groups = group_points(points, 1, {.groups = 2, .size = 2});
  EXPECT_THAT(groups.chosen, ElementsAre(0, 3));
  EXPECT_THAT(groups.members, ElementsAre(0, 1, 3, 2));
  EXPECT_THAT(groups.centres, ElementsAre(1, 0, 0, 11, 1, 0));
  EXPECT_THAT(groups.neighbourhoods, ElementsAre(0, 0, 0, 1, 0, 0, 0, 0, 0, -1, 0, 0));
}

TEST(GroupPointsTest, ABatchEqualsItsCloudsWithAnyThreads) {
  const std::vector<float> points = coarse_points(3 * 50);
  const GroupOptions options{.groups = 6, .size = 4, .rule = FpsRule::kReleased};
  const int before = num_threads();
  for (const int threads : {1, 2}) {
    set_num_threads(threads);
    const Groups all = group_points(points, 3, options);
    for (std::size_t b = 0; b < 3; ++b) {
      const Groups one = group_points(std::span(points).subspan(b * 150, 150), 1, options);
      const auto at = static_cast<std::ptrdiff_t>(b) * 6 * 4 * 3;
      EXPECT_TRUE(std::equal(one.neighbourhoods.begin(), one.neighbourhoods.end(),
                             all.neighbourhoods.begin() + at));
      EXPECT_TRUE(std::equal(one.chosen.begin(), one.chosen.end(),
                             all.chosen.begin() + static_cast<std::ptrdiff_t>(b) * 6));
    }
  }
  set_num_threads(before);
}

TEST(GroupPointsTest, RefusesFewerPointsThanGroupsOrMembers) {
  const std::vector<float> points(3 * 8, 1.0F);
  EXPECT_THAT(testing::message_of<ShapeError>(
                  [&] { return group_points(points, 1, {.groups = 9, .size = 2}); }),
              HasSubstr("at least 9 points in a cloud, one a group, found 8; choose fewer groups"));
  EXPECT_THAT(testing::message_of<ShapeError>(
                  [&] { return group_points(points, 2, {.groups = 2, .size = 5}); }),
              HasSubstr("at least 5 points in a cloud, the size of a group, found 4"));
}

}  // namespace
}  // namespace conopa::points
