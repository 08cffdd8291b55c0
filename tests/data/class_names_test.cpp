#include "conopa/data/class_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/data/data_testing.h"

namespace conopa::data {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
using testing::TempFolder;

TEST(ReadNameLinesTest, TrimsLinesAndDropsEmptyOnesAtTheEnd) {
  const TempFolder folder;
  const auto file = folder.write("names.txt", "\xEF\xBB\xBF T-shirt/top \r\nñandú\r\n\r\n\n");
  EXPECT_THAT(read_name_lines(file), ElementsAre("T-shirt/top", "ñandú"));
}

TEST(ReadNameLinesTest, NamesTheLineOfAnError) {
  const TempFolder folder;
  const auto error = [&](std::string_view text) {
    const auto file = folder.write("names.txt", text);
    return error_of<FormatError>([&] { (void)read_name_lines(file); });
  };
  EXPECT_THAT(error("a\n\nb\n"), HasSubstr("line 2"));
  EXPECT_THAT(error("a\n\xC0\xAF\n"), HasSubstr("line 2"));
  EXPECT_THAT(error("\n"), HasSubstr("empty file"));
  EXPECT_THROW((void)read_name_lines(folder.path() / "nowhere"), IoError);
}

TEST(SettleClassNamesTest, UsersNamesComeFirstThenTheFilesThenNumbers) {
  EXPECT_THAT(settle_class_names("x", {.num_classes = 0, .names = {"a", "b"}}, 2, {"c", "d"}),
              ElementsAre("a", "b"));
  EXPECT_THAT(settle_class_names("x", {}, 2, {"c", "d", "e"}), ElementsAre("c", "d", "e"));
  EXPECT_THAT(settle_class_names("x", {}, 2, {}), ElementsAre("0", "1"));
  EXPECT_THAT(settle_class_names("x", {.num_classes = 3, .names = {"a"}}, 2, {}),
              ElementsAre("a", "1", "2"));
}

TEST(SettleClassNamesTest, RefusesWhatContradictsItself) {
  EXPECT_THROW((void)settle_class_names("x", {.num_classes = 1, .names = {"a", "b"}}, 1, {}),
               ConfigError);
  EXPECT_THROW((void)settle_class_names("x", {.num_classes = 0, .names = {"a"}}, 2, {}),
               FormatError);
  EXPECT_THROW((void)settle_class_names("x", {}, kMaxClasses + 1, {}), FormatError);
}

}  // namespace
}  // namespace conopa::data
