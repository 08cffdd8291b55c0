#include "conopa/codebook/kmeans.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "conopa/core/error.h"
#include "conopa/core/parallel.h"
#include "conopa/core/rng.h"

namespace conopa::codebook {
namespace {

// `blobs` groups of `each` vectors around the corners (10·b, −10·b, 10·b, ...), a deviation of 0.5.
std::vector<float> blobs(std::int64_t groups, std::int64_t each, std::int64_t dims) {
  Rng rng(1, RngPurpose::kTest);
  std::vector<float> out;
  for (std::int64_t i = 0; i < groups * each; ++i) {
    for (std::int64_t d = 0; d < dims; ++d) {
      const auto corner = static_cast<double>(i % groups) * (d % 2 == 0 ? 10.0 : -10.0);
      out.push_back(static_cast<float>(corner + rng.normal(0.0, 0.5)));
    }
  }
  return out;
}

std::vector<float> noise(std::int64_t vectors, std::int64_t dims) {
  Rng rng(2, RngPurpose::kTest);
  std::vector<float> out(static_cast<std::size_t>(vectors * dims));
  for (float& x : out) x = static_cast<float>(rng.normal());
  return out;
}

TEST(KMeansTest, FindsSeparableGroups) {
  const std::vector<float> vectors = blobs(7, 200, 5);
  const KMeansResult result = kmeans(vectors, 5, {.centres = 7});
  EXPECT_TRUE(result.settled);
  EXPECT_THAT(result.counts, testing::Each(200));
  std::set<std::int64_t> labels(result.labels.begin(), result.labels.begin() + 7);
  EXPECT_EQ(labels.size(), 7U);
  for (std::size_t i = 0; i < result.labels.size(); ++i) {
    EXPECT_EQ(result.labels[i], result.labels[i % 7]);
  }
  // 1400 vectors of 5 numbers with variance 0.25.
  EXPECT_NEAR(result.inertia.back(), 1400 * 5 * 0.25, 100);
}

TEST(KMeansTest, CentresAreTheMeansOfTheirVectors) {
  const std::vector<float> vectors{0, 0, 2, 0, 10, 4, 10, 6};
  const KMeansResult result = kmeans(vectors, 2, {.centres = 2});
  const auto first = static_cast<std::size_t>(result.labels[0]);
  EXPECT_FLOAT_EQ(result.centres[2 * first], 1.0F);
  EXPECT_FLOAT_EQ(result.centres[2 * first + 1], 0.0F);
  EXPECT_FLOAT_EQ(result.centres[2 * (1 - first)], 10.0F);
  EXPECT_FLOAT_EQ(result.centres[2 * (1 - first) + 1], 5.0F);
  EXPECT_FLOAT_EQ(static_cast<float>(result.inertia.back()), 4.0F);
}

TEST(KMeansTest, InertiaNeverGrowsAndEveryCentreIsUsed) {
  const KMeansResult result = kmeans(noise(3000, 12), 12, {.centres = 40, .iterations = 15});
  for (std::size_t i = 1; i < result.inertia.size(); ++i) {
    EXPECT_LE(result.inertia[i], result.inertia[i - 1] * (1 + 1e-6));
  }
  EXPECT_LT(result.inertia.back(), 0.9 * result.inertia.front());
  EXPECT_GT(*std::ranges::min_element(result.counts), 0);
}

TEST(KMeansTest, ReportsEveryIteration) {
  std::vector<double> seen;
  const KMeansResult result =
      kmeans(noise(500, 4), 4, {.centres = 8, .iterations = 3},
             [&](std::int64_t, double inertia) { seen.push_back(inertia); });
  ASSERT_EQ(result.inertia.size(), 4U);
  EXPECT_EQ(seen, std::vector<double>(result.inertia.begin() + 1, result.inertia.end()));
}

TEST(KMeansTest, BytesDependOnTheSeedAndNotOnTheThreads) {
  const std::vector<float> vectors = noise(9001, 20);
  const int before = num_threads();
  std::vector<KMeansResult> results;
  for (const int threads : {1, 2, 5}) {
    set_num_threads(threads);
    results.push_back(kmeans(vectors, 20, {.centres = 33, .iterations = 4, .seed = 3}));
  }
  set_num_threads(before);
  EXPECT_EQ(results[0].centres, results[1].centres);
  EXPECT_EQ(results[0].centres, results[2].centres);
  EXPECT_EQ(results[0].labels, results[2].labels);
  EXPECT_EQ(results[0].inertia, results[2].inertia);
  EXPECT_NE(results[0].centres,
            kmeans(vectors, 20, {.centres = 33, .iterations = 4, .seed = 4}).centres);
}

TEST(KMeansTest, LeavesCentresEmptyIfThereAreFewerDistinctVectors) {
  const std::vector<float> vectors{1, 1, 1, 1, 1, 5, 5, 5};
  const KMeansResult result = kmeans(vectors, 1, {.centres = 4});
  EXPECT_EQ(result.inertia.back(), 0.0);
  EXPECT_EQ(std::ranges::count(result.counts, 0), 2);
}

TEST(KMeansTest, RefusesWhatItCannotCluster) {
  const std::vector<float> vectors(12, 1.0F);
  EXPECT_THROW((void)kmeans(vectors, 5, {.centres = 2}), ShapeError);
  EXPECT_THROW((void)kmeans(vectors, 4, {.centres = 4}), ShapeError);
  EXPECT_THROW((void)kmeans(vectors, 0, {.centres = 1}), ShapeError);
  EXPECT_THROW((void)kmeans(vectors, 4, {.centres = 0}), ConfigError);
  EXPECT_THROW((void)kmeans(vectors, 4, {.centres = 1, .iterations = -1}), ConfigError);
  std::vector<float> broken = vectors;
  broken[7] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW((void)kmeans(broken, 4, {.centres = 2}), FormatError);
}

TEST(NearestCentresTest, AgreesWithTheDefinition) {
  const std::vector<float> vectors = noise(1100, 9);
  const std::vector<float> centres = noise(17, 9);
  std::vector<float> squared(1100);
  const std::vector<std::int64_t> labels = nearest_centres(vectors, centres, 9, squared);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    std::vector<double> distances(17);
    for (std::size_t k = 0; k < 17; ++k) {
      for (std::size_t d = 0; d < 9; ++d) {
        distances[k] += std::pow(static_cast<double>(vectors[i * 9 + d] - centres[k * 9 + d]), 2);
      }
    }
    const double lowest = *std::ranges::min_element(distances);
    EXPECT_NEAR(distances[static_cast<std::size_t>(labels[i])], lowest, 1e-5);
    EXPECT_NEAR(static_cast<double>(squared[i]), lowest, 1e-4);
  }
}

TEST(NearestCentresTest, TakesTheFirstOfEquallyNearCentres) {
  EXPECT_THAT(nearest_centres(std::vector<float>{0, 3}, std::vector<float>{1, 1, 3, 3}, 1),
              testing::ElementsAre(0, 2));
}

TEST(UseEntropyTest, IsLogOfTheCodesIfAllAreUsedAlike) {
  EXPECT_DOUBLE_EQ(use_entropy(std::vector<std::int64_t>{5, 5, 5, 5}), 2.0);
  EXPECT_DOUBLE_EQ(use_entropy(std::vector<std::int64_t>{7, 0, 0}), 0.0);
  EXPECT_DOUBLE_EQ(use_entropy(std::vector<std::int64_t>{2, 1, 1}), 1.5);
}

}  // namespace
}  // namespace conopa::codebook
