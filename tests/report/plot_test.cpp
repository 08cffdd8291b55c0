#include "conopa/report/plot.h"

#include <gtest/gtest.h>

#include <limits>

#include "conopa/core/error.h"
#include "conopa/eval/classification_meter.h"
#include "tests/report/xml_check.h"

namespace conopa::report {
namespace {

/// Two labels of K classes; class 0 is found, class 1 taken for class 0.
eval::ClassificationResult small_result(std::int64_t classes) {
  eval::ClassificationMeter meter(classes);
  std::vector<float> logits(static_cast<std::size_t>(classes), 0.0F);
  logits[0] = 3.0F;
  meter.add(logits, std::vector<std::int64_t>{0});
  if (classes > 1) meter.add(logits, std::vector<std::int64_t>{1});
  return meter.result();
}

TEST(BarChartTest, DrawsOneBarPerEntry) {
  const std::string svg = bar_chart_svg(
      {.title = "F1", .bars = {{"Coat <b>", 0.8}, {"Bag", 0.4}}, .format = ValueFormat::kPercent});
  EXPECT_EQ(markup_fault(svg), "");
  EXPECT_EQ(count_of(svg, "class=\"fill s0\""), 2);
  EXPECT_NE(svg.find("80.00 %"), std::string::npos);
}

TEST(BarChartTest, DegenerateValuesStillDraw) {
  const std::string svg = bar_chart_svg(
      {.bars = {{"nan", std::numeric_limits<double>::quiet_NaN()}, {"negative", -1.0}}});
  EXPECT_EQ(markup_fault(svg), "");
  EXPECT_EQ(count_of(svg, "width=\"0\""), 2);
  EXPECT_EQ(markup_fault(bar_chart_svg({})), "");
}

TEST(ReliabilityTest, DrawsOnlyBinsWithSamples) {
  const std::string svg = reliability_svg(small_result(4).calibration);
  EXPECT_EQ(markup_fault(svg), "");
  EXPECT_EQ(count_of(svg, "<title>"), 4);  // bar, gap, accuracy and share of one bin
  EXPECT_NE(svg.find("2 samples (100.0 %)"), std::string::npos);
  EXPECT_EQ(count_of(reliability_svg(eval::ClassificationMeter(4).result().calibration), "<title>"),
            0);
}

TEST(ConfusionSvgTest, CellsTellWhatWasTakenForWhat) {
  const std::string svg = confusion_svg(small_result(3), {"Coat", "A&B"});
  EXPECT_EQ(markup_fault(svg), "");
  EXPECT_NE(svg.find("<title>A&amp;B → Coat\n1 of 1 (100.0 %)</title>"), std::string::npos);
  EXPECT_EQ(count_of(svg, "cell track"), 9);
  EXPECT_EQ(count_of(svg, "cell fill s0"), 1);
  EXPECT_EQ(count_of(svg, "cell fill s1"), 1);
  EXPECT_EQ(count_of(svg, ">2</text>"), 2);  // the third class has no name
}

TEST(ConfusionSvgTest, TooManyClassesOrNoMatrixAreRefused) {
  EXPECT_THROW((void)confusion_svg(small_result(kMaxLabelledClasses + 1), {}), ShapeError);
  EXPECT_THROW((void)confusion_svg({}, {}), ShapeError);
  EXPECT_THROW((void)confusion_image({}), ShapeError);
  EXPECT_EQ(markup_fault(confusion_svg(small_result(1), {})), "");
}

TEST(ConfusionImageTest, StrengthIsTheAlphaChannel) {
  const image::Image image = confusion_image(small_result(40));
  ASSERT_EQ(image.channels, 4);
  ASSERT_EQ(image.width, 360);                  // 40 classes, 9 pixels each
  EXPECT_EQ(image.row(0)[3], 255);              // 0 taken for 0
  EXPECT_EQ(image.row(9)[3], 255);              // 1 taken for 0
  EXPECT_EQ(image.row(9)[9 * 4 + 3], 0);        // 1 never right
  EXPECT_NE(image.row(0)[0], image.row(9)[0]);  // right and wrong differ in colour
}

TEST(ConfusionImageTest, ManyClassesArePooled) {
  const image::Image image = confusion_image(small_result(1500));
  EXPECT_EQ(image.width, 500);
  // Classes 0, 1 and 2 share a pixel on the diagonal.
  EXPECT_EQ(image.row(0)[3], 255);
}

TEST(ClassNameTest, FallsBackToTheNumber) {
  EXPECT_EQ(class_name({"a", ""}, 0), "a");
  EXPECT_EQ(class_name({"a", ""}, 1), "1");
  EXPECT_EQ(class_name({"a", ""}, 2), "2");
}

}  // namespace
}  // namespace conopa::report
