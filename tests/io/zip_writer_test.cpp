#include "io/zip_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/io/mapped_file.h"
#include "conopa/io/zip_reader.h"
#include "tests/io/temp_dir.h"

namespace conopa {
namespace {

using testing::TempDir;

std::string text_of(const ZipReader& zip, std::string_view name) {
  const ZipEntry* entry = zip.find(name);
  if (entry == nullptr) return "(missing)";
  const SharedBytes bytes = zip.read(*entry);
  return {reinterpret_cast<const char*>(bytes.bytes.data()), bytes.bytes.size()};
}

// The limits force zip64 fields for everything, for large entries, for late ones, and for nothing.
class ZipWriterLimitTest : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(ZipWriterLimitTest, EntriesReturn) {
  const TempDir dir;
  const std::string large(1000, 'x');
  ZipWriter writer(dir / "a.zip", GetParam());
  writer.add("first", "one");
  writer.add("folder/large", large);
  writer.add("empty", "");
  writer.add("last", "end");
  writer.commit();
  const ZipReader zip(MappedFile::open(dir / "a.zip"));
  ASSERT_EQ(zip.entries().size(), 4U);
  EXPECT_EQ(text_of(zip, "first"), "one");
  EXPECT_EQ(text_of(zip, "folder/large"), large);
  EXPECT_EQ(text_of(zip, "empty"), "");
  EXPECT_EQ(text_of(zip, "last"), "end");
}

INSTANTIATE_TEST_SUITE_P(Limits, ZipWriterLimitTest,
                         ::testing::Values(0, 500, 1100, ZipWriter::kNeeds64));

TEST(ZipWriterTest, DataIsAligned) {
  const TempDir dir;
  ZipWriter writer(dir / "a.zip");
  for (std::size_t length = 1; length < 70; ++length) {
    writer.add(std::string(length, 'n'), "data");
  }
  writer.commit();
  const auto file = MappedFile::open(dir / "a.zip");
  const ZipReader zip(file);
  ASSERT_EQ(zip.entries().size(), 69U);
  for (const ZipEntry& entry : zip.entries()) {
    EXPECT_EQ((zip.read(entry).bytes.data() - file->bytes().data()) % 64, 0) << entry.name;
  }
}

TEST(ZipWriterTest, NothingAppearsWithoutCommit) {
  const TempDir dir;
  { ZipWriter(dir / "a.zip").add("first", "one"); }
  EXPECT_THAT(dir.names(), ::testing::IsEmpty());
}

}  // namespace
}  // namespace conopa
