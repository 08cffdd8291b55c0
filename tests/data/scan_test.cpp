#include "conopa/data/scan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/data/image_folder.h"
#include "tests/data/data_testing.h"

namespace conopa::data {
namespace {

using ::testing::ElementsAre;
using testing::numbered_images;
using ::testing::Pair;
using testing::TempFolder;

TEST(ScanTest, CountsClassesAndMeasuresColours) {
  const auto dataset = numbered_images(3, 2);  // pixel values 0, 1, 2
  const DatasetSummary summary = scan_dataset(*dataset);
  EXPECT_THAT(summary.class_counts, ElementsAre(2, 1));
  EXPECT_EQ(summary.width.max, 4);
  ASSERT_EQ(summary.mean.size(), 1U);
  EXPECT_NEAR(summary.mean[0], 1.0 / 255.0, 1e-12);
  EXPECT_NEAR(summary.std[0], std::sqrt(2.0 / 3.0) / 255.0, 1e-12);
  EXPECT_TRUE(summary.broken.empty());
}

TEST(ScanTest, MeasuresSizesAndMixesGrayWithColour) {
  const TempFolder folder;
  folder.write_png("train/a/1.png", 2, 5, 100, 3);
  folder.write_png("train/a/2.png", 4, 5, 200, 1);
  folder.write_png("train/a/3.png", 9, 5, 100, 4);
  const auto dataset = open_image_folder(folder.path(), "train");
  const DatasetSummary summary = scan_dataset(*dataset);
  EXPECT_EQ(summary.width.min, 2);
  EXPECT_EQ(summary.width.median, 4);
  EXPECT_EQ(summary.width.max, 9);
  EXPECT_DOUBLE_EQ(summary.width.mean, 5.0);
  EXPECT_THAT(summary.channel_counts, ElementsAre(Pair(1, 1), Pair(3, 1), Pair(4, 1)));
  ASSERT_EQ(summary.mean.size(), 3U);  // (10 + 45 pixels of 100, 20 of 200) / 75
  EXPECT_NEAR(summary.mean[0], (55.0 * 100 + 20 * 200) / 75 / 255, 1e-12);
  EXPECT_EQ(summary.mean[0], summary.mean[2]);
}

TEST(ScanTest, DoesNotDependOnThreads) {
  const auto dataset = numbered_images(200, 7);
  const DatasetSummary a = scan_dataset(*dataset);
  std::int64_t last = 0;
  const DatasetSummary b =
      scan_dataset(*dataset, {.workers = 3, .progress = [&](std::int64_t done, std::int64_t total) {
                                last = std::max(last, done);
                                EXPECT_EQ(total, 200);
                              }});
  EXPECT_EQ(last, 200);
  EXPECT_EQ(a.mean, b.mean);
  EXPECT_EQ(a.std, b.std);
  EXPECT_EQ(a.width.mean, b.width.mean);
}

}  // namespace
}  // namespace conopa::data
