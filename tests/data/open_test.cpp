#include "conopa/data/open.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "conopa/data/subset.h"
#include "tests/data/data_testing.h"

namespace conopa::data {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
using testing::idx_file;
using testing::numbered_images;
using testing::TempFolder;

TEST(OpenDatasetTest, DetectsIdxAndItsTestSplit) {
  const TempFolder folder;
  for (const char* split : {"train", "t10k"}) {
    folder.write(std::string(split) + "-images-idx3-ubyte", idx_file({2, 1, 1}, "ab"));
    folder.write(std::string(split) + "-labels-idx1-ubyte", idx_file({2}, {"\x00\x01", 2}));
  }
  const OpenedDataset eval = open_dataset({.path = folder.path().string()}, Split::kEval);
  EXPECT_EQ(eval.kind, DataKind::kIdx);
  EXPECT_EQ(eval.split, "test");
  EXPECT_EQ(eval.dataset->size(), 2);
}

TEST(OpenDatasetTest, DetectsImageFoldersAndTheirEvaluationSplit) {
  const TempFolder folder;
  folder.write_png("train/a/1.png", 1, 1, 0);
  folder.write_png("validation/a/1.png", 1, 1, 0);
  const OpenedDataset eval = open_dataset({.path = folder.path().string()}, Split::kEval);
  EXPECT_EQ(eval.kind, DataKind::kImageFolder);
  EXPECT_EQ(eval.split, "validation");
}

TEST(OpenDatasetTest, DetectsListsAndTheirEvaluationSplit) {
  const TempFolder folder;
  const auto list = folder.write("data.csv", "a,x,train\nb,x,test\n");
  const OpenedDataset eval = open_dataset({.path = list.string()}, Split::kEval);
  EXPECT_EQ(eval.kind, DataKind::kList);
  EXPECT_EQ(eval.split, "test");
}

TEST(OpenDatasetTest, EvaluationListElsewhereCountsClassesAsTrainingDoes) {
  const TempFolder folder;
  const auto train = folder.write("train.csv", "a,ant\nb,bee\n");
  const auto eval = folder.write("other.csv", "c,bee\n");
  const DataOptions options{.path = train.string(), .eval_path = eval.string()};
  const OpenedDataset opened = open_dataset(options, Split::kEval);
  EXPECT_THAT(opened.dataset->class_names(), ElementsAre("ant", "bee"));
  EXPECT_THAT(all_labels(*opened.dataset), ElementsAre(1));
  folder.write("other.csv", "c,wasp\n");
  EXPECT_THAT(error_of<FormatError>([&] { (void)open_dataset(options, Split::kEval); }),
              HasSubstr("line 1, found 'wasp'"));
}

TEST(OpenDatasetTest, EvaluationFolderElsewhereMustHaveTheSameClasses) {
  const TempFolder folder;
  folder.write_png("one/train/a/1.png", 1, 1, 0);
  folder.write_png("two/val/b/1.png", 1, 1, 0);
  const DataOptions options{.path = (folder.path() / "one").string(),
                            .eval_path = (folder.path() / "two").string()};
  EXPECT_THAT(error_of<FormatError>([&] { (void)open_dataset(options, Split::kEval); }),
              HasSubstr("found b instead of a"));
}

TEST(OpenDatasetTest, SkipPolicyReportsBrokenFiles) {
  const TempFolder folder;
  folder.write_png("train/a/1.png", 1, 1, 0);
  folder.write("train/a/2.png", "broken");
  DataOptions options{.path = folder.path().string(), .on_error = OnError::kSkip};
  const OpenedDataset opened = open_dataset(options, Split::kTrain);
  EXPECT_EQ(opened.dataset->get(1).index, 0);
  EXPECT_EQ(opened.broken->count(), 1);
  options.on_error = OnError::kError;
  EXPECT_THROW((void)open_dataset(options, Split::kTrain).dataset->get(1), FormatError);
}

TEST(OpenDatasetTest, LimitKeepsABalancedOrFirstSubset) {
  const TempFolder folder;
  for (int i = 0; i < 8; ++i) {
    const std::string file = std::to_string(i) + ".png";
    folder.write_png((i < 6 ? "train/a/" : "train/b/") + file, 1, 1, 0);
  }
  DataOptions options{.path = folder.path().string(), .limit = 4};
  EXPECT_THAT(all_labels(*open_dataset(options, Split::kTrain).dataset), ElementsAre(0, 0, 1, 1));
  options.limit_mode = LimitMode::kFirst;
  EXPECT_THAT(all_labels(*open_dataset(options, Split::kTrain).dataset), ElementsAre(0, 0, 0, 0));
  options.limit = 100;
  EXPECT_EQ(open_dataset(options, Split::kTrain).dataset->size(), 8);
}

TEST(OpenDatasetTest, RefusesWhatIsNoDataset) {
  const TempFolder folder;
  const auto file = folder.write("model.bin", "x");
  EXPECT_THROW((void)open_dataset({.path = "/nowhere/at/all"}, Split::kTrain), IoError);
  EXPECT_THROW((void)open_dataset({.path = file.string()}, Split::kTrain), FormatError);
  EXPECT_THROW((void)open_dataset({}, Split::kTrain), ConfigError);
  EXPECT_THROW((void)open_dataset({.path = "x", .limit = -1}, Split::kTrain), ConfigError);
}

TEST(PickBalancedTest, TakesEveryClassInTurn) {
  std::vector<std::int64_t> labels(50, 0);
  labels.resize(53, 1);
  labels.resize(100, 2);
  std::map<std::int64_t, int> counts;
  for (const std::int64_t i : pick_balanced(labels, 21, 0)) {
    ++counts[labels[static_cast<std::size_t>(i)]];
  }
  EXPECT_EQ(counts[1], 3);  // all there are
  EXPECT_EQ(counts[0], 9);
  EXPECT_EQ(counts[2], 9);
}

TEST(PickBalancedTest, IsAFunctionOfItsSeed) {
  const std::vector<std::int64_t> labels(50, 0);
  EXPECT_EQ(pick_balanced(labels, 10, 1), pick_balanced(labels, 10, 1));
  EXPECT_NE(pick_balanced(labels, 10, 1), pick_balanced(labels, 10, 2));
}

TEST(SubsetTest, AnswersForItsOwnPlaces) {
  const Subset subset(numbered_images(10, 3), {7, 2});
  EXPECT_EQ(subset.size(), 2);
  EXPECT_EQ(subset.label(0), 1);
  const Sample sample = subset.get(1);
  EXPECT_EQ(sample.index, 1);
  EXPECT_EQ(sample.image.pixels.front(), 2);
  EXPECT_THROW(Subset(numbered_images(10, 3), {}), ConfigError);
}

TEST(MemoryDatasetTest, RefusesPixelsThatDoNotFitTheLabels) {
  MemoryImages images{.name = "x",
                      .height = 2,
                      .width = 2,
                      .channels = 1,
                      .pixels = {1, 2, 3},
                      .labels = {0},
                      .class_names = {"a"}};
  EXPECT_THROW(MemoryDataset{images}, ShapeError);
  images.pixels.push_back(4);
  images.labels = {1};
  EXPECT_THROW(MemoryDataset{images}, FormatError);
}

TEST(FashionMnistTest, OpensThePackagedDataset) {
  const std::string folder = "/usr/share/datasets/fashion-mnist";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "dataset-fashion-mnist is not installed";
  const OpenedDataset eval = open_dataset({.path = folder}, Split::kEval);
  EXPECT_EQ(eval.dataset->size(), 10000);
  EXPECT_EQ(eval.dataset->num_classes(), 10);
  EXPECT_EQ(eval.dataset->label(0), 9);  // an ankle boot
}

}  // namespace
}  // namespace conopa::data
