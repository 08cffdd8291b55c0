#include "conopa/core/nearest.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace conopa {
namespace {

constexpr std::array<std::string_view, 6> kNames{"lr_peak", "epochs",       "drop_path",
                                                 "warmup",  "weight_decay", "warmup_epochs"};

TEST(NearestNameTest, FindsEachKindOfMisspelling) {
  EXPECT_EQ(nearest_name("epohcs", kNames), "epochs");   // swapped neighbours
  EXPECT_EQ(nearest_name("epoch", kNames), "epochs");    // dropped
  EXPECT_EQ(nearest_name("epochss", kNames), "epochs");  // inserted
  EXPECT_EQ(nearest_name("epocks", kNames), "epochs");   // changed
  EXPECT_EQ(nearest_name("Drop-Path", kNames), "drop_path");
  EXPECT_EQ(nearest_name("droppath", kNames), "drop_path");
  EXPECT_EQ(nearest_name("decay_weight", kNames), "weight_decay");
}

TEST(NearestNameTest, FindsNamesLongerOrShorterByWholeParts) {
  EXPECT_EQ(nearest_name("lr", kNames), "lr_peak");
  EXPECT_EQ(nearest_name("decay", kNames), "weight_decay");
  EXPECT_EQ(nearest_name("lr_peak_value_for_backbone", kNames), "lr_peak");
}

TEST(NearestNameTest, SwapOfNeighboursCountsAsOneEdit) {
  const std::vector<std::string> names{"abd", "acb"};  // one swap away, against one change
  EXPECT_EQ(nearest_name("abc", names), "abd");        // the first of equals
  EXPECT_EQ(nearest_name("abc", std::vector<std::string>{"xyc", "bac"}), "bac");
}

TEST(NearestNameTest, PrefersTheCloser) {
  EXPECT_EQ(nearest_name("warmpu", kNames), "warmup");
  EXPECT_EQ(nearest_name("warmup_epoch", kNames), "warmup_epochs");
}

TEST(NearestNameTest, FindsNothingUnlike) {
  EXPECT_EQ(nearest_name("zzz", kNames), std::nullopt);
  EXPECT_EQ(nearest_name("x", kNames), std::nullopt);
  EXPECT_EQ(nearest_name("", kNames), std::nullopt);
  EXPECT_EQ(nearest_name("a", std::vector<std::string>{"b", ""}), std::nullopt);
  EXPECT_EQ(nearest_name("a", std::vector<std::string>{}), std::nullopt);
  EXPECT_EQ(nearest_name(std::string(1'000'000, 'a'), kNames), std::nullopt);
}

TEST(NearestNameTest, RendersTheQuestion) {
  EXPECT_EQ(did_you_mean("epohcs", kNames), "; did you mean 'epochs'?");
  EXPECT_EQ(did_you_mean("zzz", std::vector<std::string>{"epochs"}), "");
}

}  // namespace
}  // namespace conopa
