#include "conopa/report/metric_look.h"

#include <gtest/gtest.h>

namespace conopa::report {
namespace {

TEST(MetricLookTest, KnowsWhatTrainingLogs) {
  EXPECT_EQ(metric_look("top1").title, "Top-1 accuracy");
  EXPECT_EQ(metric_look("top1").format, ValueFormat::kPercent);
  EXPECT_EQ(metric_look("top1").better, Better::kHigher);
  EXPECT_EQ(metric_look("loss").better, Better::kLower);
  EXPECT_EQ(metric_look("ece").better, Better::kLower);
  EXPECT_EQ(metric_look("lr").better, Better::kNeither);
  EXPECT_TRUE(metric_look("images_per_s").from_zero);
  EXPECT_LT(metric_look("loss").order, metric_look("lr").order);
}

TEST(MetricLookTest, MakesTitlesOfOtherNamesAndRanksThemLast) {
  const MetricLook look = metric_look("mean_iou");
  EXPECT_EQ(look.title, "Mean iou");
  EXPECT_EQ(look.format, ValueFormat::kNumber);
  EXPECT_GT(look.order, metric_look("nonfinite").order);
  EXPECT_EQ(metric_look("").title, "");
}

TEST(MetricLookTest, LossesAndErrorsAreBetterWhenLower) {
  for (const char* name : {"pixel_loss", "error", "rmse_px", "test_perplexity"}) {
    EXPECT_EQ(metric_look(name).better, Better::kLower) << name;
  }
  // Whole words only.
  for (const char* name : {"mean_iou", "glossary", "piece", "errors_found"}) {
    EXPECT_EQ(metric_look(name).better, Better::kHigher) << name;
  }
}

}  // namespace
}  // namespace conopa::report
