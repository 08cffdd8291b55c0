#include "conopa/points/augment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "conopa/core/error.h"
#include "tests/core/thrown.h"

namespace conopa::points {
namespace {

using ::testing::Each;
using ::testing::FloatNear;
using ::testing::HasSubstr;

TEST(ScaleAndShiftTest, IsOneFactorAndShiftPerAxisWithinTheirRanges) {
  float least = 9.0F;
  float most = 0.0F;
  for (std::uint64_t draw = 0; draw < 400; ++draw) {
    std::vector<float> points{0, 0, 0, 1, 1, 1, 2, 2, 2};
    Rng rng(1, RngPurpose::kAugment, 0, draw);
    scale_and_shift(points, {}, rng);
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const float shift = points[axis];
      const float scale = points[3 + axis] - shift;
      EXPECT_LE(std::abs(shift), 0.2F);
      EXPECT_NEAR(points[6 + axis], 2 * scale + shift, 1e-5F);
      least = std::min(least, scale);
      most = std::max(most, scale);
    }
  }
  EXPECT_GE(least, 2.0F / 3.0F - 1e-5F);
  EXPECT_LT(least, 0.70F);
  EXPECT_LE(most, 1.5F + 1e-5F);
  EXPECT_GT(most, 1.45F);
}

TEST(UnitBallTest, MeanIsTheOriginAndTheFurthestHasLengthOne) {
  std::vector<float> points{10, 0, 0, 14, 0, 0, 12, 3, 0, 12, -3, 4};
  normalise_to_unit_ball(points);
  float largest = 0.0F;
  std::vector<float> sums(3);
  for (std::size_t i = 0; i < points.size(); i += 3) {
    largest = std::max(largest, std::hypot(points[i], points[i + 1], points[i + 2]));
    for (std::size_t axis = 0; axis < 3; ++axis) sums[axis] += points[i + axis];
  }
  EXPECT_NEAR(largest, 1.0F, 1e-6F);
  EXPECT_THAT(sums, Each(FloatNear(0.0F, 1e-6F)));
}

TEST(UnitBallTest, EqualPointsEndAtTheOrigin) {
  std::vector<float> points{3, 4, 5, 3, 4, 5};
  normalise_to_unit_ball(points);
  EXPECT_THAT(points, Each(0.0F));
}

TEST(VoteCloudTest, IsAFunctionOfRunCopyAndCloud) {
  std::vector<float> pool(3 * 20);
  for (std::size_t i = 0; i < pool.size(); ++i) pool[i] = static_cast<float>(i);
  const auto make = [&](VoteCopy copy) { return vote_cloud(pool, 12, {}, 5, copy); };
  EXPECT_EQ(make({1, 2, 3}).size(), 36U);
  EXPECT_EQ(make({1, 2, 3}), make({1, 2, 3}));
  EXPECT_NE(make({1, 2, 3}), make({0, 2, 3}));
  EXPECT_NE(make({1, 2, 3}), make({1, 0, 3}));
  EXPECT_NE(make({1, 2, 3}), make({1, 2, 0}));
}

TEST(VoteCloudTest, CloudsOfOneCopyShareTheirSubset) {
  std::vector<float> pool(3 * 20);
  for (std::size_t i = 0; i < pool.size(); ++i) pool[i] = static_cast<float>(i / 3);
  const AugmentOptions still{.scale = 1.0, .shift = 0.0};
  EXPECT_EQ(vote_cloud(pool, 12, still, 5, {1, 2, 3}), vote_cloud(pool, 12, still, 5, {1, 2, 4}));
  EXPECT_NE(vote_cloud(pool, 12, still, 5, {1, 2, 3}), vote_cloud(pool, 12, still, 5, {1, 3, 3}));
}

TEST(RandomSubsetTest, RefusesMoreThanThePool) {
  Rng rng(1, RngPurpose::kTest);
  EXPECT_THAT(testing::message_of<ShapeError>([&] { return random_subset(10, 11, rng); }),
              HasSubstr("at least 11 points to choose from, found 10"));
}

TEST(AugmentOptionsTest, RefusesRangesThatAreNone) {
  EXPECT_THROW((AugmentOptions{.scale = 0.5}.validate()), ConfigError);
  EXPECT_THROW((AugmentOptions{.scale = 1.0, .shift = -0.1}.validate()), ConfigError);
  EXPECT_THROW((VoteOptions{.runs = -1}.validate()), ConfigError);
  EXPECT_THROW((VoteOptions{.runs = 1, .copies = 0}.validate()), ConfigError);
}

}  // namespace
}  // namespace conopa::points
