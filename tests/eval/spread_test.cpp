#include "conopa/eval/spread.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace conopa::eval {
namespace {

TEST(SpreadTest, GivesMeanSampleDeviationAndEnds) {
  const std::vector<double> values{2, 4, 4, 4, 5, 5, 7, 9};
  const Spread out = spread(values).value();
  EXPECT_EQ(out.count, 8);
  EXPECT_DOUBLE_EQ(out.mean, 5.0);
  EXPECT_DOUBLE_EQ(out.deviation.value(), std::sqrt(32.0 / 7.0));
  EXPECT_EQ(out.low, 2.0);
  EXPECT_EQ(out.high, 9.0);
}

TEST(SpreadTest, OneValueHasNoDeviationAndNoneHasNothing) {
  const std::vector<double> one{0.1};
  EXPECT_EQ(spread(one)->mean, 0.1);
  EXPECT_FALSE(spread(one)->deviation);
  EXPECT_FALSE(spread({}));
}

TEST(SpreadTest, EqualValuesHaveExactlyNone) {
  const std::vector<double> equal{0.1, 0.1, 0.1};
  EXPECT_EQ(spread(equal)->mean, 0.1);
  EXPECT_EQ(spread(equal)->deviation, 0.0);
}

TEST(SpreadTest, ADivergedRunIsNotHidden) {
  for (const double bad : {std::numeric_limits<double>::infinity(), std::nan("")}) {
    const std::vector<double> values{0.5, bad, 0.7};
    const Spread out = spread(values).value();
    EXPECT_EQ(out.count, 3);
    EXPECT_TRUE(std::isnan(out.mean));
    EXPECT_TRUE(std::isnan(out.deviation.value()));
    EXPECT_TRUE(std::isnan(out.low));
    EXPECT_TRUE(std::isnan(out.high));
  }
}

}  // namespace
}  // namespace conopa::eval
