#include "conopa/data/list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/data/data_testing.h"

namespace conopa::data {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
using testing::TempFolder;

std::vector<ListRow> csv(std::string_view text) { return parse_list(text, ListFormat::kCsv, "x"); }

std::string csv_error(std::string_view text, ListFormat format = ListFormat::kCsv) {
  return error_of<FormatError>([&] { (void)parse_list(text, format, "x"); });
}

TEST(ListParseTest, ReadsRowsWithoutHeader) {
  const auto rows = csv("a.png,3\nb.png, 4 \n");
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[1].line, 2);
  EXPECT_EQ(rows[1].path, "b.png");
  EXPECT_EQ(rows[1].label, "4");
  EXPECT_EQ(rows[1].split, "");
}

TEST(ListParseTest, HeaderMayOrderAndAddColumns) {
  const auto rows = csv("Label,width,Split,Image\ncat,10,train,a.png\n");
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].path, "a.png");
  EXPECT_EQ(rows[0].label, "cat");
  EXPECT_EQ(rows[0].split, "train");
  EXPECT_EQ(rows[0].line, 2);
}

TEST(ListParseTest, UnderstandsQuotesLineEndsAndByteOrderMark) {
  const auto rows = csv("\xEF\xBB\xBF\"a,\"\"1\"\".png\",0\r\n\r\n\"b\nc.png\",1\r\nd.png,2");
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[0].path, "a,\"1\".png");
  EXPECT_EQ(rows[1].path, "b\nc.png");
  EXPECT_EQ(rows[1].line, 3);
  EXPECT_EQ(rows[2].path, "d.png");
  EXPECT_EQ(rows[2].line, 5);
}

TEST(ListParseTest, ReadsTabsAndUtf8) {
  const auto rows = parse_list("ñandú, 1.png\tllama\ttrain\n", ListFormat::kTsv, "x");
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].path, "ñandú, 1.png");
  EXPECT_EQ(rows[0].split, "train");
}

TEST(ListParseTest, ReadsJsonLines) {
  const auto rows = parse_list(
      "{\"path\": \"a.png\", \"label\": 3}\n\n{\"class\": \"cat\", \"image\": \"b.png\", \"n\": 1}",
      ListFormat::kJsonl, "x");
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].label, "3");
  EXPECT_EQ(rows[1].path, "b.png");
  EXPECT_EQ(rows[1].line, 3);
}

TEST(ListParseTest, NamesTheLineOfAnError) {
  EXPECT_THAT(csv_error("a.png,1\nb.png\n"),
              AllOf(HasSubstr("expected 2 fields on line 2"), HasSubstr("found 1")));
  EXPECT_THAT(csv_error("a.png,1\n,2\n"), HasSubstr("line 2, found no path"));
  EXPECT_THAT(csv_error("a.png,1\nb.png,\n"), HasSubstr("line 2, found no label"));
  EXPECT_THAT(csv_error("a.png,1\n\"b.png,2\n"), HasSubstr("line 2, found the end"));
  EXPECT_THAT(csv_error("a.png,1\n\"b\".png,2\n"), HasSubstr("line 2"));
  EXPECT_THAT(csv_error("a.png,1\n\xFF.png,2\n"), HasSubstr("UTF-8"));
  EXPECT_THAT(csv_error("a.png,1\n\xFF.png,2\n"), HasSubstr("line 2"));
  EXPECT_THAT(csv_error("{\"path\": \"a\", \"label\": 1}\n{\"path\"\n", ListFormat::kJsonl),
              HasSubstr("line 2, found broken JSON"));
  EXPECT_THAT(csv_error("[1]\n", ListFormat::kJsonl), HasSubstr("found array"));
  EXPECT_THAT(csv_error("{\"path\": 3, \"label\": 1}\n", ListFormat::kJsonl),
              HasSubstr("expected text at 'path' on line 1"));
}

TEST(ListParseTest, RefusesEmptyListsAndHalfStatedSplits) {
  EXPECT_THAT(csv_error(""), HasSubstr("found none"));
  EXPECT_THAT(csv_error("path,label\n"), HasSubstr("found none"));
  EXPECT_THAT(csv_error("a,1,train\nb,2,\n"), HasSubstr("none on line 2"));
}

TEST(ListParseTest, RefusesNulBytesInPaths) {
  EXPECT_THAT(csv_error(std::string_view("a\0b,1\n", 6)), HasSubstr("line 1"));
  EXPECT_THAT(csv_error("{\"path\": \"a\\u0000b\", \"label\": 1}\n", ListFormat::kJsonl),
              HasSubstr("NUL"));
}

class OpenListTest : public ::testing::Test {
 protected:
  std::string error(std::string_view text, const ClassOptions& classes = {}) {
    folder_.write("list.csv", text);
    return error_of<FormatError>(
        [&] { (void)open_list(folder_.path() / "list.csv", "train", classes); });
  }
  std::unique_ptr<Dataset> open(std::string_view text, std::string_view split = "train",
                                const ClassOptions& classes = {}) {
    folder_.write("list.csv", text);
    return open_list(folder_.path() / "list.csv", split, classes);
  }
  TempFolder folder_;
};

TEST_F(OpenListTest, DecodesFilesBesideTheList) {
  folder_.write_png("images/a.png", 3, 2, 77);
  const Sample sample = open("images/a.png,1\n")->get(0);
  EXPECT_EQ(sample.label, 1);
  EXPECT_EQ(sample.image.width, 3);
  EXPECT_EQ(sample.image.pixels.front(), 77);
}

TEST_F(OpenListTest, NumericLabelsGiveTheClassCount) {
  EXPECT_THAT(open("a,0\nb,2\n")->class_names(), ElementsAre("0", "1", "2"));
}

TEST_F(OpenListTest, NamesAreSortedBytewise) {
  const auto dataset = open("a,cat\nb,ant\nc,Zebra\nd,cat\n");
  EXPECT_THAT(dataset->class_names(), ElementsAre("Zebra", "ant", "cat"));
  EXPECT_THAT(all_labels(*dataset), ElementsAre(2, 1, 0, 2));
}

TEST_F(OpenListTest, ClassesAreThoseOfAllSplits) {
  const auto dataset = open("a,ant,train\nb,bee,val\nc,cat,val\n", "val");
  EXPECT_EQ(dataset->num_classes(), 3);
  EXPECT_THAT(all_labels(*dataset), ElementsAre(1, 2));
  EXPECT_EQ(open("a,ant,train\nb,bee,val\n", "all")->size(), 2);
}

TEST_F(OpenListTest, StatedNamesMapNamesAndNumbers) {
  folder_.write("classes.txt", "cat\nant\n");
  EXPECT_THAT(all_labels(*open("a,ant\nb,0\n")), ElementsAre(1, 0));
  const ClassOptions classes{.num_classes = 0, .names = {"bee", "ant", "cat"}};
  EXPECT_THAT(all_labels(*open("a,ant\nb,cat\n", "train", classes)), ElementsAre(1, 2));
}

TEST_F(OpenListTest, RefusesBadLabelsWithTheirLine) {
  const ClassOptions three{.num_classes = 3};
  EXPECT_THAT(error("a,0\nb,3\n", three), HasSubstr("0..2 on line 2, found '3'"));
  const ClassOptions named{.num_classes = 0, .names = {"ant", "bee"}};
  EXPECT_THAT(error("a,ant\nb,bes\n", named),
              AllOf(HasSubstr("line 2, found 'bes'"), HasSubstr("did you mean 'bee'")));
  EXPECT_THAT(error("a,ant\nb,2\n", named), HasSubstr("line 2"));
  EXPECT_THAT(error("a,0\nb,99999999999999999999\n"), HasSubstr("line 2"));
  EXPECT_THAT(error("a,0\nb,123456789\n"), HasSubstr("line 2"));
  EXPECT_THAT(error("a,0\nb,cat\n"), HasSubstr("all numbers or all names"));
}

TEST_F(OpenListTest, RefusesASplitThatIsNotThere) {
  EXPECT_THAT(error("a,0,trian\nb,0,val\n"), HasSubstr("did you mean 'trian'"));
  folder_.write("list.csv", "a,0\n");
  EXPECT_THAT(error_of<FormatError>([&] { (void)open_list(folder_.path() / "list.csv", "val"); }),
              HasSubstr("split column"));
}

TEST_F(OpenListTest, FolderMayHoldOneListPerSplit) {
  folder_.write("train.tsv", "a\tant\nb\tbee\n");
  folder_.write("val.csv", "c,bee\n");
  const auto dataset = open_list(folder_.path(), "val");
  EXPECT_THAT(dataset->class_names(), ElementsAre("ant", "bee"));
  EXPECT_THAT(all_labels(*dataset), ElementsAre(1));
  EXPECT_THAT(list_splits(folder_.path()), ElementsAre("train", "val"));
  EXPECT_THROW((void)open_list(folder_.path(), "test"), IoError);
}

TEST_F(OpenListTest, MissingImageIsNamedWhenAskedFor) {
  const auto dataset = open("nowhere.png,0\n");
  EXPECT_THAT(error_of<IoError>([&] { (void)dataset->get(0); }), HasSubstr("nowhere.png"));
}

}  // namespace
}  // namespace conopa::data
