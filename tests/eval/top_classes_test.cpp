#include "conopa/eval/top_classes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "conopa/core/error.h"

namespace conopa::eval {
namespace {

using ::testing::SizeIs;

TEST(TopClassesTest, SortsASoftmax) {
  const std::vector<float> logits{0.0F, 2.0F, 0.0F, 1.0F};

  const std::vector<Prediction> top = top_classes(logits, 3);

  ASSERT_THAT(top, SizeIs(3));
  EXPECT_EQ(top[0].index, 1);
  EXPECT_EQ(top[1].index, 3);
  EXPECT_EQ(top[2].index, 0);  // of equal classes the lower number
  EXPECT_NEAR(top[0].probability, std::exp(2.0) / (2.0 + std::exp(1.0) + std::exp(2.0)), 1e-12);
  EXPECT_THAT(top_classes(logits, 10), SizeIs(4));
}

TEST(TopClassesTest, RefusesOutputsThatAreNotFinite) {
  const std::vector<float> logits{0.0F, std::numeric_limits<float>::quiet_NaN()};

  EXPECT_THROW((void)top_classes(logits, 1), RunError);
}

}  // namespace
}  // namespace conopa::eval
