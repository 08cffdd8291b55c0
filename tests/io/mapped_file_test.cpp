#include "conopa/io/mapped_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "conopa/core/error.h"
#include "tests/io/temp_dir.h"

namespace conopa {
namespace {

using ::testing::HasSubstr;
using testing::message_of;
using testing::TempDir;
using testing::to_bytes;
using testing::write_plain;

TEST(MappedFileTest, ShowsContent) {
  const TempDir dir;
  write_plain(dir / "a", "hello");
  const auto file = MappedFile::open(dir / "a");
  EXPECT_EQ(std::vector<std::byte>(file->bytes().begin(), file->bytes().end()), to_bytes("hello"));
  EXPECT_EQ(file->view(1, 2).data(), file->bytes().data() + 1);
}

TEST(MappedFileTest, KeepsContentAfterTheFileIsReplaced) {
  const TempDir dir;
  write_plain(dir / "a", "old");
  const auto file = MappedFile::open(dir / "a");
  write_plain(dir / "b", "n");
  std::filesystem::rename(dir / "b", dir / "a");
  EXPECT_EQ(std::vector<std::byte>(file->bytes().begin(), file->bytes().end()), to_bytes("old"));
}

TEST(MappedFileTest, AcceptsAnEmptyFile) {
  const TempDir dir;
  write_plain(dir / "a", "");
  EXPECT_EQ(MappedFile::open(dir / "a")->size(), 0);
}

TEST(MappedFileTest, NamesWhatCannotBeMapped) {
  const TempDir dir;
  ASSERT_EQ(::mkfifo((dir / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(message_of<IoError>([&] { (void)MappedFile::open(dir / "none"); }),
              HasSubstr("check the path"));
  EXPECT_THAT(message_of<IoError>([&] { (void)MappedFile::open(dir.path()); }),
              HasSubstr("found a folder"));
  EXPECT_THAT(message_of<IoError>([&] { (void)MappedFile::open(dir / "pipe"); }),
              HasSubstr("pipe"));
}

TEST(MappedFileTest, RefusesViewsOutside) {
  const auto file = MappedFile::in_memory("m", to_bytes("abc"));
  EXPECT_THROW((void)file->view(2, 2), FormatError);
  EXPECT_THROW((void)file->view(-1, 1), FormatError);
  EXPECT_THROW((void)file->view(1, -1), FormatError);
  EXPECT_THROW((void)file->view(INT64_MAX, INT64_MAX), FormatError);
  EXPECT_EQ(file->view(3, 0).size(), 0U);
}

TEST(ReadTextFileTest, KeepsTheLimit) {
  const TempDir dir;
  write_plain(dir / "a", "12345");
  EXPECT_EQ(read_text_file(dir / "a", 5), "12345");
  EXPECT_THROW((void)read_text_file(dir / "a", 4), FormatError);
}

}  // namespace
}  // namespace conopa
