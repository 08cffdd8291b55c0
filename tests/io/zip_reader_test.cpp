#include "conopa/io/zip_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/core/error.h"
#include "tests/io/temp_dir.h"
#include "tests/io/zip_builder.h"

namespace conopa {
namespace {

using ::testing::HasSubstr;
using testing::message_of;
using testing::to_bytes;
using testing::ZipBuilder;

ZipReader open(std::string_view bytes) {
  return ZipReader(MappedFile::in_memory("x.zip", to_bytes(bytes)));
}

std::string text(const SharedBytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.bytes.data()), bytes.bytes.size()};
}

TEST(ZipReaderTest, ReadsStoredEntriesInPlaceAndDeflatedOnes) {
  const auto file = MappedFile::in_memory(
      "x.zip", to_bytes(ZipBuilder().stored("a", "plain").deflated("b/c", "packed").bytes()));
  const ZipReader zip(file);
  ASSERT_EQ(zip.entries().size(), 2U);
  const SharedBytes plain = zip.read(*zip.find("a"));
  EXPECT_EQ(text(plain), "plain");
  EXPECT_GE(plain.bytes.data(), file->bytes().data());
  EXPECT_LT(plain.bytes.data(), file->bytes().data() + file->size());
  EXPECT_EQ(text(zip.read(*zip.find("b/c"))), "packed");
  EXPECT_EQ(zip.find("d"), nullptr);
}

TEST(ZipReaderTest, UnpacksOnlyAPrefixWhereAsked) {
  const ZipReader zip =
      open(ZipBuilder().stored("a", "plain").deflated("b", std::string(1'000'000, 'x')).bytes());
  EXPECT_EQ(text(zip.read_prefix(*zip.find("a"), 2)), "pl");
  EXPECT_EQ(text(zip.read_prefix(*zip.find("b"), 3)), "xxx");
  EXPECT_EQ(text(zip.read_prefix(*zip.find("a"), 99)), "plain");
}

TEST(ZipReaderTest, AcceptsAnEmptyArchive) {
  EXPECT_TRUE(open(ZipBuilder().bytes()).entries().empty());
}

TEST(ZipReaderTest, RefusesBombsAndLies) {
  const ZipReader bomb = open(ZipBuilder().deflated("a", std::string(1 << 20, '\0')).bytes());
  EXPECT_THAT(message_of<FormatError>([&] { (void)bomb.read(*bomb.find("a"), 1000); }),
              HasSubstr("at most 1000 bytes"));
  const ZipReader more = open(ZipBuilder().lying("a", "packed", 3).bytes());
  EXPECT_THROW((void)more.read(*more.find("a")), FormatError);
  const ZipReader less = open(ZipBuilder().lying("a", "packed", 9).bytes());
  EXPECT_THROW((void)less.read(*less.find("a")), FormatError);
  EXPECT_THROW((void)open(ZipBuilder().lying("a", "packed", 1 << 30).bytes()), FormatError);
}

TEST(ZipReaderTest, RefusesTwoEntriesOfOneName) {
  EXPECT_THAT(message_of<FormatError>(
                  [] { (void)open(ZipBuilder().stored("a", "1").stored("a", "2").bytes()); }),
              HasSubstr("'a' occurs twice"));
}

TEST(ZipReaderTest, RefusesWhatIsNoArchive) {
  EXPECT_THROW((void)open(""), FormatError);
  EXPECT_THROW((void)open("PK\x03\x04 and nothing else"), FormatError);
}

}  // namespace
}  // namespace conopa
