#include "conopa/eval/activation_map.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "conopa/core/error.h"
#include "conopa/core/parallel.h"
#include "conopa/core/rng.h"

namespace conopa::eval {
namespace {

constexpr double kPi = std::numbers::pi;

TEST(MinMaxScaledTest, MapsEndsToZeroAndOneAndAConstantToZeros) {
  EXPECT_EQ(min_max_scaled(std::vector<double>{3, -1, 1}), (std::vector<double>{1.0, 0.0, 0.5}));
  EXPECT_EQ(min_max_scaled(std::vector<double>{2, 2}), (std::vector<double>{0.0, 0.0}));
  EXPECT_TRUE(min_max_scaled({}).empty());
}

TEST(MagnitudeActivationTest, MeasuresTheDistanceFromTheMeanToken) {
  // Sum (5, 5), mean (1, 1): the distances are 0, 2, 2, √32 and √8.
  const std::vector<float> tokens{1, 1, -1, 1, 1, -1, 5, 5, -1, -1};
  const TokenGrid grid{.tokens = tokens, .rows = 1, .cols = 5, .width = 2};
  const std::vector<double> map = magnitude_activation(grid);
  const double far = std::sqrt(32.0);
  const std::vector<double> expected{0.0, 2.0 / far, 2.0 / far, 1.0, std::sqrt(8.0) / far};
  ASSERT_EQ(map.size(), expected.size());
  for (std::size_t i = 0; i < map.size(); ++i) EXPECT_NEAR(map[i], expected[i], 1e-12) << i;
}

TEST(MagnitudeActivationTest, ComparesWithTheMeanOfTheColumnIfAsked) {
  // Two columns; every column has its own mean, and the distances are 1, 3 in both rows.
  const std::vector<float> tokens{9, 3, 11, -3};
  const TokenGrid grid{.tokens = tokens, .rows = 2, .cols = 2, .width = 1};
  EXPECT_EQ(magnitude_activation(grid, MeanOver::kColumn), (std::vector<double>{0, 1, 0, 1}));
  EXPECT_NE(magnitude_activation(grid, MeanOver::kAll),
            magnitude_activation(grid, MeanOver::kColumn));
}

// Three channels leave no bin that holds rounding alone: their sum, and one wave.
void add_wave(double phase, double scale, std::vector<float>& tokens) {
  for (int j = 0; j < 3; ++j) {
    tokens.push_back(static_cast<float>(scale * (0.5 + std::cos(2 * kPi * j / 3 + phase))));
  }
}

TEST(ChannelPhasesTest, AreThoseOfWaves) {
  std::vector<float> tokens;
  const std::vector<double> expected{0.3, -1.0, 2.5};
  for (const double phase : expected) add_wave(phase, 2.0, tokens);
  const std::vector<double> phases =
      channel_phases({.tokens = tokens, .rows = 3, .cols = 1, .width = 3});
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(phases[3 * i], 0.0);
    EXPECT_NEAR(phases[3 * i + 1], expected[i], 1e-6);
    EXPECT_EQ(phases[3 * i + 2], -phases[3 * i + 1]);
  }
}

TEST(ChannelPhasesTest, EdgeBinsAreZeroOrPi) {
  // Sum −2 and alternating sum −6 in the first token, opposite signs in the second.
  const std::vector<float> tokens{-3, 1, -1, 1, 3, -1, 1, -1};
  const std::vector<double> phases =
      channel_phases({.tokens = tokens, .rows = 1, .cols = 2, .width = 4});
  EXPECT_EQ(phases[0], kPi);
  EXPECT_EQ(phases[2], kPi);
  EXPECT_EQ(phases[4], 0.0);
  EXPECT_EQ(phases[6], 0.0);
}

TEST(FrequencyActivationTest, IgnoresScaleAndDoesNotWrapDifferences) {
  // Phases near +π and −π are near on the circle, and far apart as numbers.
  std::vector<float> tokens;
  for (const double scale : {1.0, 7.0, 0.5}) add_wave(kPi - 0.1, scale, tokens);
  add_wave(-kPi + 0.1, 1.0, tokens);
  const std::vector<double> map =
      frequency_activation({.tokens = tokens, .rows = 2, .cols = 2, .width = 3});
  EXPECT_NEAR(map[0], 0.0, 1e-5);
  EXPECT_NEAR(map[1], 0.0, 1e-5);
  EXPECT_NEAR(map[2], 0.0, 1e-5);
  EXPECT_EQ(map[3], 1.0);
}

TEST(FrequencyActivationTest, DoesNotDependOnTheThreads) {
  Rng rng(5, RngPurpose::kTest);
  std::vector<float> tokens(100 * 48);
  for (float& x : tokens) x = static_cast<float>(rng.normal());
  const TokenGrid grid{.tokens = tokens, .rows = 10, .cols = 10, .width = 48};
  const int before = num_threads();
  set_num_threads(1);
  const std::vector<double> one = frequency_activation(grid);
  set_num_threads(3);
  EXPECT_EQ(frequency_activation(grid), one);
  set_num_threads(before);
}

TEST(AttentionActivationTest, SumsHeadsAndScales) {
  const std::vector<float> scores{0.1F, 0.2F, 0.5F, 0.3F, 0.1F, 0.2F};
  const std::vector<double> map = attention_activation(scores, 3);  // sums 0.4, 0.3, 0.7
  EXPECT_NEAR(map[0], 0.25, 1e-6);
  EXPECT_EQ(map[1], 0.0);
  EXPECT_EQ(map[2], 1.0);
}

TEST(ActivationMapTest, RefusesSizesAndValues) {
  const std::vector<float> six(6, 1.0F);
  EXPECT_THROW((void)magnitude_activation({.tokens = six, .rows = 2, .cols = 2, .width = 2}),
               ShapeError);
  EXPECT_THROW((void)frequency_activation({.tokens = {}, .rows = 0, .cols = 1, .width = 1}),
               ShapeError);
  EXPECT_THROW((void)attention_activation(six, 4), ShapeError);
  EXPECT_THROW((void)attention_activation({}, 4), ShapeError);
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    std::vector<float> values = six;
    values[3] = bad;
    const TokenGrid grid{.tokens = values, .rows = 1, .cols = 3, .width = 2};
    EXPECT_THROW((void)magnitude_activation(grid), FormatError);
    EXPECT_THROW((void)frequency_activation(grid), FormatError);
    EXPECT_THROW((void)attention_activation(values, 3), FormatError);
  }
}

}  // namespace
}  // namespace conopa::eval
