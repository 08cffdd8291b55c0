#include "conopa/data/idx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "tests/data/data_testing.h"

namespace conopa::data {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
using testing::idx_file;
using testing::TempFolder;
using testing::to_bytes;

std::string parse_error(const std::string& file) {
  const auto bytes = to_bytes(file);
  return error_of<FormatError>([&] { (void)parse_idx(bytes, "x"); });
}

TEST(IdxTest, ReadsShapeAndValues) {
  const auto bytes = to_bytes(idx_file({2, 1, 3}, "abcdef"));
  const IdxArray array = parse_idx(bytes, "x");
  EXPECT_THAT(array.shape, ElementsAre(2, 1, 3));
  ASSERT_EQ(array.values.size(), 6U);
  EXPECT_EQ(array.values[5], std::byte{'f'});
}

TEST(IdxTest, RefusesOtherMagic) {
  EXPECT_THAT(parse_error(""), HasSubstr("00 00 08"));
  EXPECT_THAT(parse_error(std::string("\x1f\x8b\x08\x01", 4)), HasSubstr("00 00 08"));
}

TEST(IdxTest, RefusesOtherValueTypes) {
  std::string file = idx_file({1}, "a");
  file[2] = '\x0D';
  EXPECT_THAT(parse_error(file), HasSubstr("found 0x0d"));
}

TEST(IdxTest, RefusesRankZeroAndHugeRank) {
  EXPECT_THAT(parse_error(idx_file({}, "")), HasSubstr("rank"));
  std::string file = idx_file({1}, "a");
  file[3] = '\xFF';
  EXPECT_THAT(parse_error(file), HasSubstr("found 255"));
}

TEST(IdxTest, RefusesTruncatedHeader) {
  EXPECT_THAT(parse_error(idx_file({2, 3}, "").substr(0, 9)), HasSubstr("header of 12 bytes"));
}

TEST(IdxTest, RefusesTooFewAndTooManyValues) {
  EXPECT_THAT(parse_error(idx_file({2, 2}, "abc")), HasSubstr("expected 4 values"));
  EXPECT_THAT(parse_error(idx_file({2, 2}, "abc")), HasSubstr("truncated"));
  EXPECT_THAT(parse_error(idx_file({2, 2}, "abcde")), HasSubstr("too long"));
}

TEST(IdxTest, RefusesDimensionsThatOverflow) {
  EXPECT_THAT(parse_error(idx_file({0xFFFFFFFFU, 0xFFFFFFFFU, 0xFFFFFFFFU, 1}, "")),
              HasSubstr("overflow"));
}

/// An MNIST-like folder with two training images and one test image of 1×2.
class OpenIdxTest : public ::testing::Test {
 protected:
  OpenIdxTest() {
    folder_.write("train-images-idx3-ubyte", idx_file({2, 1, 2}, "abcd"));
    folder_.write("train-labels-idx1-ubyte", idx_file({2}, {"\x00\x04", 2}));
    folder_.write("t10k-images.idx3-ubyte", idx_file({1, 1, 2}, "ef"));
    folder_.write("t10k-labels.idx1-ubyte", idx_file({1}, "\x01"));
  }
  TempFolder folder_;
};

TEST_F(OpenIdxTest, ServesImagesAndLabels) {
  const auto dataset = open_idx(folder_.path(), "train");
  ASSERT_EQ(dataset->size(), 2);
  const Sample sample = dataset->get(1);
  EXPECT_EQ(sample.label, 4);
  EXPECT_EQ(sample.index, 1);
  EXPECT_EQ(sample.image.width, 2);
  EXPECT_EQ(sample.image.height, 1);
  EXPECT_EQ(sample.image.channels, 1);
  EXPECT_THAT(sample.image.pixels, ElementsAre('c', 'd'));
  EXPECT_THAT(dataset->name(1), HasSubstr("train-images-idx3-ubyte[1]"));
}

TEST_F(OpenIdxTest, TestSplitHasTheClassesOfTraining) {
  const auto dataset = open_idx(folder_.path(), "test");
  EXPECT_EQ(dataset->size(), 1);
  EXPECT_THAT(dataset->class_names(), ElementsAre("0", "1", "2", "3", "4"));
}

TEST_F(OpenIdxTest, ReadsGzippedFiles) {
  std::filesystem::remove(folder_.path() / "train-images-idx3-ubyte");
  const std::string path = (folder_.path() / "train-images-idx3-ubyte.gz").string();
  const std::string file = idx_file({2, 1, 2}, "wxyz");
  gzFile out = gzopen(path.c_str(), "wb");
  ASSERT_EQ(gzwrite(out, file.data(), static_cast<unsigned>(file.size())),
            static_cast<int>(file.size()));
  ASSERT_EQ(gzclose(out), Z_OK);
  EXPECT_THAT(open_idx(folder_.path(), "train")->get(0).image.pixels, ElementsAre('w', 'x'));
}

TEST_F(OpenIdxTest, ReadsColourImages) {
  folder_.write("rgb-images-idx4-ubyte", idx_file({1, 1, 2, 3}, "rgbRGB"));
  folder_.write("rgb-labels-idx1-ubyte", idx_file({1}, {"\0", 1}));
  const Sample sample = open_idx(folder_.path(), "rgb")->get(0);
  EXPECT_EQ(sample.image.channels, 3);
  EXPECT_THAT(sample.image.pixels, ElementsAre('r', 'g', 'b', 'R', 'G', 'B'));
}

TEST_F(OpenIdxTest, FindsFilesWithAPrefix) {
  folder_.write("emnist-letters-valid-images-idx3-ubyte", idx_file({1, 1, 1}, "a"));
  folder_.write("emnist-letters-valid-labels-idx1-ubyte", idx_file({1}, {"\0", 1}));
  EXPECT_EQ(open_idx(folder_.path(), "valid")->size(), 1);
}

TEST_F(OpenIdxTest, RefusesTwoCandidates) {
  folder_.write("a-train-images-idx3-ubyte", idx_file({1, 1, 1}, "a"));
  EXPECT_THAT(error_of<FormatError>([&] { (void)open_idx(folder_.path(), "train"); }),
              HasSubstr("move one away"));
}

TEST_F(OpenIdxTest, NamesBothCountsIfTheyDiffer) {
  folder_.write("train-labels-idx1-ubyte", idx_file({3}, "\x01\x02\x03"));
  const std::string error = error_of<FormatError>([&] { (void)open_idx(folder_.path(), "train"); });
  EXPECT_THAT(error, HasSubstr("2 images and 3 labels"));
}

TEST_F(OpenIdxTest, RefusesLabelsBeyondTheStatedClasses) {
  const ClassOptions classes{.num_classes = 3};
  EXPECT_THAT(error_of<FormatError>([&] { (void)open_idx(folder_.path(), "train", classes); }),
              HasSubstr("expected labels 0..2, found 4"));
}

TEST_F(OpenIdxTest, TakesNamesFromTheFolderOrTheUser) {
  folder_.write("classes.txt", "zero\none\ntwo\nthree\nfour\n");
  EXPECT_EQ(open_idx(folder_.path(), "train")->class_names().at(4), "four");
  const ClassOptions classes{.num_classes = 0, .names = {"a", "b", "c", "d", "e"}};
  EXPECT_EQ(open_idx(folder_.path(), "train", classes)->class_names().at(4), "e");
}

TEST_F(OpenIdxTest, RefusesLabelsInPlaceOfImages) {
  folder_.write("train-images-idx3-ubyte", idx_file({2}, "ab"));
  EXPECT_THAT(error_of<FormatError>([&] { (void)open_idx(folder_.path(), "train"); }),
              HasSubstr("[N, H, W]"));
}

TEST_F(OpenIdxTest, RefusesAnEmptySetAndImagesWithoutPixels) {
  folder_.write("none-images-idx3-ubyte", idx_file({0, 1, 2}, ""));
  folder_.write("none-labels-idx1-ubyte", idx_file({0}, ""));
  EXPECT_THROW((void)open_idx(folder_.path(), "none"), FormatError);
  folder_.write("flat-images-idx3-ubyte", idx_file({2, 0, 2}, ""));
  folder_.write("flat-labels-idx1-ubyte", idx_file({2}, "\x01\x01"));
  EXPECT_THROW((void)open_idx(folder_.path(), "flat"), Error);
}

TEST_F(OpenIdxTest, SaysWhichFileIsMissing) {
  std::filesystem::remove(folder_.path() / "train-labels-idx1-ubyte");
  EXPECT_THAT(error_of<IoError>([&] { (void)open_idx(folder_.path(), "train"); }),
              HasSubstr("train-labels-idx1-ubyte"));
  EXPECT_THROW((void)open_idx(folder_.path() / "nowhere", "train"), IoError);
}

}  // namespace
}  // namespace conopa::data
