#include "conopa/io/gzip.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>

#include "conopa/core/error.h"
#include "tests/io/temp_dir.h"
#include "tests/io/zip_builder.h"

namespace conopa {
namespace {

using ::testing::HasSubstr;
using testing::message_of;
using testing::TempDir;
using testing::to_bytes;
using testing::write_plain;

std::vector<std::byte> unpack(std::string_view bytes, std::int64_t limit = 1 << 20) {
  return possibly_gunzip(to_bytes(bytes), "x.gz", limit);
}

TEST(GzipTest, ReadsPlainAndPackedFiles) {
  const TempDir dir;
  write_plain(dir / "a", "plain");
  write_plain(dir / "a.gz", testing::gzip("packed"));
  EXPECT_EQ(read_possibly_gzipped(dir / "a", 100), to_bytes("plain"));
  EXPECT_EQ(read_possibly_gzipped(dir / "a.gz", 100), to_bytes("packed"));
  EXPECT_THROW((void)read_possibly_gzipped(dir / "none", 100), IoError);
}

TEST(GzipTest, ReadsSeveralMembersAndPadding) {
  const std::string two = testing::gzip("one ") + testing::gzip("two") + std::string(512, '\0');
  EXPECT_EQ(unpack(two), to_bytes("one two"));
}

TEST(GzipTest, ReadsLargeData) {
  std::string data;
  for (int i = 0; i < 300'000; ++i) data += static_cast<char>(std::int64_t{i} * i >> 3);
  EXPECT_EQ(unpack(testing::gzip(data)), to_bytes(data));
}

TEST(GzipTest, KeepsTheLimitExactly) {
  const std::string packed = testing::gzip("12345");
  EXPECT_EQ(unpack(packed, 5).size(), 5U);
  EXPECT_THAT(message_of<FormatError>([&] { (void)unpack(packed, 4); }), HasSubstr("at most 4"));
  EXPECT_THROW((void)unpack("12345", 4), FormatError);
  EXPECT_THROW((void)unpack(testing::gzip(std::string(64 << 20, 'x')), 1000), FormatError);
}

TEST(GzipTest, RefusesDamage) {
  const std::string packed = testing::gzip("some text that is packed");
  for (std::size_t size = 2; size < packed.size(); ++size) {
    EXPECT_THROW((void)unpack(packed.substr(0, size)), FormatError) << size;
  }
  std::string wrong = packed;
  wrong[wrong.size() - 6] ^= 1;  // in the checksum
  EXPECT_THROW((void)unpack(wrong), FormatError);
  EXPECT_THROW((void)unpack(packed + "junk"), FormatError);
}

}  // namespace
}  // namespace conopa
