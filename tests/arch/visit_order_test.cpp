#include "conopa/arch/visit_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "conopa/core/error.h"

namespace conopa::arch {
namespace {

using Order = std::vector<std::int64_t>;
using testing::ElementsAre;

TEST(VisitOrderTest, WalksAGridThatIsNotSquare) {
  // 0 1 2 3 4
  // 5 6 7 8 9
  // 10 ... 14
  EXPECT_THAT(visit_order(VisitOrder::kRaster, 3, 5),
              ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14));
  EXPECT_THAT(visit_order(VisitOrder::kReverseRaster, 3, 5),
              ElementsAre(14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0));
  EXPECT_THAT(visit_order(VisitOrder::kColumn, 3, 5),
              ElementsAre(0, 5, 10, 1, 6, 11, 2, 7, 12, 3, 8, 13, 4, 9, 14));
  EXPECT_THAT(visit_order(VisitOrder::kReverseColumn, 3, 5),
              ElementsAre(14, 9, 4, 13, 8, 3, 12, 7, 2, 11, 6, 1, 10, 5, 0));
  EXPECT_THAT(visit_order(VisitOrder::kSpiral, 3, 5),
              ElementsAre(8, 7, 6, 1, 2, 3, 4, 9, 14, 13, 12, 11, 10, 5, 0));
  EXPECT_THAT(visit_order(VisitOrder::kCheckerboard, 3, 5),
              ElementsAre(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13));
}

TEST(VisitOrderTest, SpiralEndsAtTheFirstPatchOfEverySize) {
  EXPECT_THAT(visit_order(VisitOrder::kSpiral, 4, 4),
              ElementsAre(6, 10, 9, 5, 1, 2, 3, 7, 11, 15, 14, 13, 12, 8, 4, 0));
  EXPECT_THAT(visit_order(VisitOrder::kSpiral, 1, 4), ElementsAre(3, 2, 1, 0));
  EXPECT_THAT(visit_order(VisitOrder::kSpiral, 3, 1), ElementsAre(2, 1, 0));
  EXPECT_THAT(visit_order(VisitOrder::kSpiral, 2, 3), ElementsAre(1, 2, 5, 4, 3, 0));
}

TEST(VisitOrderTest, EveryOrderVisitsEveryPatchOnce) {
  for (std::size_t order = 0; order < EnumNames<VisitOrder>::kNames.size(); ++order) {
    for (const auto& [rows, cols] : std::vector<std::pair<int, int>>{
             {1, 1}, {1, 7}, {7, 1}, {2, 2}, {5, 3}, {7, 7}, {14, 14}, {16, 16}, {16, 14}}) {
      Order visited = visit_order(static_cast<VisitOrder>(order), rows, cols, 3);
      std::ranges::sort(visited);
      Order all(static_cast<std::size_t>(rows * cols));
      std::iota(all.begin(), all.end(), 0);
      EXPECT_EQ(visited, all) << EnumNames<VisitOrder>::kNames[order] << rows << "x" << cols;
    }
  }
}

TEST(VisitOrderTest, NeighboursOfASpiralTouch) {
  const Order order = visit_order(VisitOrder::kSpiral, 6, 9);
  for (std::size_t k = 1; k < order.size(); ++k) {
    const std::int64_t rows = std::abs(order[k] / 9 - order[k - 1] / 9);
    const std::int64_t cols = std::abs(order[k] % 9 - order[k - 1] % 9);
    EXPECT_EQ(rows + cols, 1) << k;
  }
}

TEST(VisitOrderTest, OnlyRandomReadsTheSeed) {
  const VisitOrder random = VisitOrder::kRandom;
  EXPECT_EQ(visit_order(random, 5, 4, 1), visit_order(random, 5, 4, 1));
  EXPECT_NE(visit_order(random, 5, 4, 1), visit_order(random, 5, 4, 2));
  const VisitOrder fixed = VisitOrder::kFixedRandom;
  EXPECT_EQ(visit_order(fixed, 5, 4, 1), visit_order(fixed, 5, 4, 2));
  EXPECT_NE(visit_order(fixed, 5, 4), visit_order(fixed, 4, 5));
}

TEST(VisitOrderTest, FixedRandomIsTheOfficialTableWhereThereIsOne) {
  // Sums of place·patch of the official tables.
  const auto moment = [](std::int64_t side) {
    const Order order = visit_order(VisitOrder::kFixedRandom, side, side);
    std::int64_t sum = 0;
    for (std::size_t k = 0; k < order.size(); ++k) sum += static_cast<std::int64_t>(k) * order[k];
    return sum;
  };
  EXPECT_EQ(moment(14), 1757232);
  EXPECT_EQ(moment(16), 4136467);
}

TEST(VisitOrderTest, PlacesUndoTheOrder) {
  const Order order = visit_order(VisitOrder::kRandom, 3, 4, 9);
  const Order places = visit_places(order);
  for (std::size_t k = 0; k < order.size(); ++k) {
    EXPECT_EQ(places[static_cast<std::size_t>(order[k])], static_cast<std::int64_t>(k));
  }
}

TEST(VisitOrderTest, RefusesGridsWithoutPatchesAndEnormousOnes) {
  EXPECT_THROW((void)visit_order(VisitOrder::kRaster, 0, 4), ConfigError);
  EXPECT_THROW((void)visit_order(VisitOrder::kSpiral, 4, -1), ConfigError);
  EXPECT_THROW((void)visit_order(VisitOrder::kRandom, std::int64_t{1} << 40, std::int64_t{1} << 40),
               ConfigError);
}

}  // namespace
}  // namespace conopa::arch
