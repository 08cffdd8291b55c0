#include "conopa/eval/sample_predictions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <numeric>

namespace conopa::eval {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(SampleKeeperTest, KeepsSamplesSpreadOverTheBatches) {
  SampleKeeper keeper(3, 12, 2);
  for (std::int64_t first = 0; first < 12; first += 4) {
    std::vector<float> logits;  // class index % 3 wins
    std::vector<std::int64_t> indices(4);
    std::iota(indices.begin(), indices.end(), first);
    for (const std::int64_t index : indices) {
      for (std::int64_t k = 0; k < 3; ++k) logits.push_back(k == index % 3 ? 1.0F : 0.0F);
    }
    keeper.add(logits, indices, indices);
  }

  const std::vector<SamplePrediction> samples = keeper.take();

  ASSERT_THAT(samples, SizeIs(3));
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const auto index = static_cast<std::int64_t>(4 * i);
    EXPECT_EQ(samples[i].index, index);
    EXPECT_EQ(samples[i].label, index);
    ASSERT_THAT(samples[i].top, SizeIs(2));
    EXPECT_EQ(samples[i].top[0].index, index % 3);
  }
}

TEST(SampleKeeperTest, KeepsASampleWithoutFiniteLogitsAndShowsNoClasses) {
  SampleKeeper keeper(1, 1, 2);
  const std::vector<float> logits{0.0F, std::numeric_limits<float>::quiet_NaN()};
  const std::vector<std::int64_t> zero{0};

  keeper.add(logits, zero, zero);

  const std::vector<SamplePrediction> samples = keeper.take();
  ASSERT_THAT(samples, SizeIs(1));
  EXPECT_THAT(samples[0].top, IsEmpty());
}

}  // namespace
}  // namespace conopa::eval
