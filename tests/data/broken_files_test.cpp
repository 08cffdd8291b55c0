#include "conopa/data/broken_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/data/image_folder.h"
#include "conopa/data/loader.h"
#include "conopa/data/scan.h"
#include "tests/data/data_testing.h"

namespace conopa::data {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
using testing::TempFolder;

/// Class a: good 1, truncated, empty. Class b: text, good 4.
class BrokenFilesTest : public ::testing::Test {
 protected:
  BrokenFilesTest() {
    folder_.write_png("train/a/1.png", 8, 8, 1);
    const auto whole = folder_.write_png("train/a/2.png", 8, 8, 2);
    std::filesystem::resize_file(whole, std::filesystem::file_size(whole) / 2);
    folder_.write("train/a/3.png", "");
    folder_.write("train/b/1.jpg", "this is no image");
    folder_.write_png("train/b/2.png", 8, 8, 4);
    dataset_ = open_image_folder(folder_.path(), "train");
  }
  TempFolder folder_;
  std::shared_ptr<const Dataset> dataset_;
  std::shared_ptr<BrokenFiles> report_ = std::make_shared<BrokenFiles>();
};

TEST_F(BrokenFilesTest, WithoutThePolicyTheErrorNamesTheFile) {
  EXPECT_THAT(error_of<Error>([&] { (void)dataset_->get(1); }), HasSubstr("train/a/2.png"));
  EXPECT_THAT(error_of<Error>([&] { (void)dataset_->get(2); }), HasSubstr("train/a/3.png"));
  EXPECT_THAT(error_of<Error>([&] { (void)dataset_->get(3); }), HasSubstr("train/b/1.jpg"));
}

TEST_F(BrokenFilesTest, SkippedSamplesAreReplacedByTheNextGoodOne) {
  const SkipBroken skipping(dataset_, report_);
  const Sample sample = skipping.get(1);  // 2 and 3 of a and 1 of b are broken
  EXPECT_EQ(sample.index, 4);
  EXPECT_EQ(sample.label, 1);
  EXPECT_EQ(sample.image.pixels.front(), 4);
  EXPECT_EQ(skipping.get(0).index, 0);
}

TEST_F(BrokenFilesTest, EveryBrokenFileIsListedOnceInOrder) {
  const SkipBroken skipping(dataset_, report_);
  for (int round = 0; round < 2; ++round) {
    for (std::int64_t i = skipping.size() - 1; i >= 0; --i) (void)skipping.get(i);
  }
  EXPECT_EQ(report_->count(), 3);
  const auto files = report_->list();
  ASSERT_EQ(files.size(), 3U);
  EXPECT_THAT(files[0].name, HasSubstr("train/a/2.png"));
  EXPECT_THAT(files[1].name, HasSubstr("train/a/3.png"));
  EXPECT_THAT(files[2].name, HasSubstr("train/b/1.jpg"));
  EXPECT_FALSE(files[2].error.empty());
}

TEST_F(BrokenFilesTest, ReplacementWrapsAroundTheEnd) {
  std::filesystem::remove(folder_.path() / "train/b/2.png");
  const SkipBroken skipping(dataset_, report_);
  EXPECT_EQ(skipping.get(3).index, 0);
}

TEST_F(BrokenFilesTest, StopsIfNothingIsGood) {
  std::filesystem::remove(folder_.path() / "train/a/1.png");
  std::filesystem::remove(folder_.path() / "train/b/2.png");
  const SkipBroken skipping(dataset_, report_);
  EXPECT_THAT(error_of<FormatError>([&] { (void)skipping.get(0); }), HasSubstr("5 broken"));
}

TEST_F(BrokenFilesTest, LoaderDoesNotDependOnWorkersWhileSkipping) {
  image::EvalTransformOptions size;
  size.height = size.width = 8;
  for (const std::int64_t workers : {0, 3}) {
    const auto skipping = std::make_shared<SkipBroken>(dataset_, report_);
    Loader loader(skipping, image::make_eval_transform(size),
                  Sampler({.order = SampleOrder::kSequential}, 5),
                  {.batch = 5, .workers = workers});
    loader.begin_epoch(0);
    const Batch batch = loader.next().value();
    EXPECT_THAT(batch.indices, ElementsAre(0, 4, 4, 4, 4));
    EXPECT_THAT(batch.labels.to_i64(), ElementsAre(0, 1, 1, 1, 1));
  }
  EXPECT_EQ(report_->count(), 3);
}

TEST_F(BrokenFilesTest, ScanListsThemToo) {
  const DatasetSummary summary = scan_dataset(*dataset_);
  EXPECT_EQ(summary.size, 5);
  EXPECT_EQ(summary.good, 2);
  EXPECT_EQ(summary.broken.size(), 3U);
}

}  // namespace
}  // namespace conopa::data
