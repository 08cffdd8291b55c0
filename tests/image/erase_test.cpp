#include "conopa/image/erase.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "conopa/core/error.h"

namespace conopa::image {
namespace {

constexpr std::int64_t kSide = 40;
constexpr float kMark = 1000.0F;  // far from any noise

std::vector<float> marked() {
  return std::vector<float>(static_cast<std::size_t>(3 * kSide * kSide), kMark);
}

std::vector<float> erased(const RandomErasingOptions& options, std::uint64_t index) {
  std::vector<float> values = marked();
  Rng rng(1, RngPurpose::kAugment, 0, index);
  random_erase(values, 3, kSide, kSide, options, rng);
  return values;
}

double erased_share(const std::vector<float>& values) {
  const auto kept = std::count(values.begin(), values.end(), kMark);
  return 1.0 - static_cast<double>(kept) / static_cast<double>(values.size());
}

TEST(RandomEraseTest, CoversTheAskedShareInAllChannels) {
  for (std::uint64_t i = 0; i < 200; ++i) {
    const std::vector<float> values = erased({.probability = 1.0}, i);
    const double share = erased_share(values);
    EXPECT_GT(share, 0.01);
    EXPECT_LT(share, 0.37);
    constexpr std::size_t kPlane = kSide * kSide;
    for (std::size_t at = 0; at < kPlane; ++at) {
      ASSERT_EQ(values[at] == kMark, values[at + kPlane] == kMark);
      ASSERT_EQ(values[at] == kMark, values[at + 2 * kPlane] == kMark);
    }
  }
}

TEST(RandomEraseTest, HappensWithTheGivenProbability) {
  int count = 0;
  for (std::uint64_t i = 0; i < 2000; ++i) {
    count += erased_share(erased({.probability = 0.25, .mode = EraseMode::kConst}, i)) > 0.0;
  }
  EXPECT_NEAR(count, 500, 80);
  EXPECT_EQ(erased({.probability = 0.0}, 1), marked());
}

TEST(RandomEraseTest, ModesDifferInWhatTheyWrite) {
  const auto written = [](EraseMode mode) {
    std::vector<float> values = erased({.probability = 1.0, .mode = mode}, 3);
    values.resize(static_cast<std::size_t>(kSide * kSide));  // one channel
    std::erase(values, kMark);
    return values;
  };
  const std::vector<float> zeros = written(EraseMode::kConst);
  EXPECT_TRUE(std::all_of(zeros.begin(), zeros.end(), [](float v) { return v == 0.0F; }));
  const std::vector<float> colour = written(EraseMode::kRand);
  EXPECT_TRUE(std::all_of(colour.begin(), colour.end(), [&](float v) { return v == colour[0]; }));
  EXPECT_NE(colour[0], 0.0F);
  std::vector<float> noise = written(EraseMode::kPixel);
  std::sort(noise.begin(), noise.end());
  EXPECT_EQ(std::unique(noise.begin(), noise.end()), noise.end());
}

TEST(RandomEraseTest, PixelNoiseIsStandardNormal) {
  double sum = 0.0, squares = 0.0, count = 0.0;
  for (std::uint64_t i = 0; i < 300; ++i) {
    for (const float v : erased({.probability = 1.0}, i)) {
      if (v == kMark) continue;
      sum += v;
      squares += static_cast<double>(v) * v;
      count += 1.0;
    }
  }
  ASSERT_GT(count, 50000.0);
  EXPECT_NEAR(sum / count, 0.0, 0.02);
  EXPECT_NEAR(squares / count, 1.0, 0.02);
}

TEST(RandomEraseTest, SeveralBlocksShareTheArea) {
  double largest = 0.0;
  for (std::uint64_t i = 0; i < 200; ++i) {
    largest = std::max(largest, erased_share(erased({.probability = 1.0, .max_count = 4}, i)));
  }
  EXPECT_LT(largest, 0.37);
}

TEST(RandomEraseTest, LeavesASinglePixelAlone) {
  std::vector<float> values = {kMark};
  Rng rng(1, RngPurpose::kAugment);
  random_erase(values, 1, 1, 1, {.probability = 1.0}, rng);
  EXPECT_EQ(values[0], kMark);  // blocks are smaller than the image
}

TEST(RandomEraseTest, RefusesAnotherLength) {
  std::vector<float> values(5);
  Rng rng(1, RngPurpose::kAugment);
  EXPECT_THROW(random_erase(values, 1, 2, 2, {}, rng), ShapeError);
}

}  // namespace
}  // namespace conopa::image
