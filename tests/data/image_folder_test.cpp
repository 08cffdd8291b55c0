#include "conopa/data/image_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/data/data_testing.h"

namespace conopa::data {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using testing::error_of;
using ::testing::HasSubstr;
using testing::TempFolder;

/// root/train/{ant,Bee} and root/val/{ant}.
class ImageFolderTest : public ::testing::Test {
 protected:
  ImageFolderTest() {
    folder_.write_png("train/ant/b.png", 2, 2, 1);
    folder_.write_png("train/ant/a.PNG", 2, 2, 2);
    folder_.write_png("train/Bee/deep/er/c.png", 2, 2, 3);
    folder_.write_png("val/ant/d.png", 2, 2, 4);
  }
  std::unique_ptr<Dataset> open(std::string_view split, const ClassOptions& classes = {}) {
    return open_image_folder(folder_.path(), split, classes);
  }
  std::string error(std::string_view split) {
    return error_of<Error>([&] { (void)open(split); });
  }
  TempFolder folder_;
};

TEST_F(ImageFolderTest, ClassesAreSortedBytewiseAndFilesByPath) {
  const auto dataset = open("train");
  EXPECT_THAT(dataset->class_names(), ElementsAre("Bee", "ant"));
  EXPECT_THAT(all_labels(*dataset), ElementsAre(0, 1, 1));
  EXPECT_THAT(dataset->name(0), EndsWith("train/Bee/deep/er/c.png"));
  EXPECT_THAT(dataset->name(1), EndsWith("ant/a.PNG"));
  EXPECT_EQ(dataset->get(2).image.pixels.front(), 1);
}

TEST_F(ImageFolderTest, EvaluationCountsClassesAsTrainingDoes) {
  const auto dataset = open("val");
  EXPECT_EQ(dataset->num_classes(), 2);
  EXPECT_THAT(all_labels(*dataset), ElementsAre(1));
}

TEST_F(ImageFolderTest, IgnoresHiddenAndOtherFiles) {
  folder_.write("train/ant/.hidden.png", "x");
  folder_.write("train/ant/notes.txt", "x");
  folder_.write_png("train/.cache/e.png", 2, 2, 4);
  EXPECT_EQ(open("train")->size(), 3);
}

TEST_F(ImageFolderTest, RefusesEmptyClassFolders) {
  std::filesystem::create_directories(folder_.path() / "train/cat");
  EXPECT_THAT(error("train"), AllOf(HasSubstr("train/cat"), HasSubstr("found none")));
}

TEST_F(ImageFolderTest, RefusesClassesThatTrainingDoesNotHave) {
  folder_.write_png("val/ants/d.png", 2, 2, 4);
  EXPECT_THAT(error("val"), AllOf(HasSubstr("'ants'"), HasSubstr("did you mean 'ant'")));
}

TEST_F(ImageFolderTest, SaysWhichSplitsExist) {
  EXPECT_THAT(error("test"), HasSubstr("found train, val"));
  EXPECT_THROW((void)open_image_folder(folder_.path() / "nowhere", "train"), IoError);
}

TEST_F(ImageFolderTest, SplitAllTakesClassFoldersOfTheRoot) {
  const auto dataset = open_image_folder(folder_.path() / "train", "all");
  EXPECT_EQ(dataset->size(), 3);
}

TEST_F(ImageFolderTest, NamesFileMayNameFoldersInTheirOrder) {
  folder_.write("classes.txt", "ant leafcutter ant\nBee honey bee\n");
  const auto dataset = open("train");
  EXPECT_THAT(dataset->class_names(), ElementsAre("leafcutter ant", "honey bee"));
  EXPECT_EQ(dataset->label(0), 0);
  EXPECT_THAT(dataset->name(0), HasSubstr("ant"));
}

TEST_F(ImageFolderTest, NamesFileMayHoldDisplayNames) {
  folder_.write("classes.txt", "honey bee\nleafcutter\n");
  EXPECT_THAT(open("train")->class_names(), ElementsAre("honey bee", "leafcutter"));
}

TEST_F(ImageFolderTest, RefusesANamesFileThatDoesNotFit) {
  folder_.write("classes.txt", "ant\n");
  EXPECT_THAT(error("train"), HasSubstr("2 class folders, found 1 lines"));
  folder_.write("classes.txt", "ant\nsomething\n");
  EXPECT_THAT(error("train"), HasSubstr("of which 1 name a folder"));
  folder_.write("classes.txt", "ant\nant\n");
  EXPECT_THAT(error("train"), HasSubstr("'ant' twice"));
}

TEST_F(ImageFolderTest, EndsLoopsOfSymbolicLinks) {
  std::filesystem::create_directory_symlink(folder_.path() / "train/ant",
                                            folder_.path() / "train/ant/again");
  EXPECT_THAT(error("train"), HasSubstr("symbolic links"));
}

TEST_F(ImageFolderTest, UnreadableFolderIsAnIoError) {
  std::filesystem::create_directory_symlink("ant2", folder_.path() / "train/ant2");  // to itself
  EXPECT_THROW((void)open("train"), IoError);
}

TEST_F(ImageFolderTest, StatedNumberOfClassesMustCoverTheFolders) {
  const ClassOptions one{.num_classes = 1};
  EXPECT_THROW((void)open("train", one), Error);
  const ClassOptions five{.num_classes = 5};
  EXPECT_EQ(open("train", five)->num_classes(), 5);
}

}  // namespace
}  // namespace conopa::data
