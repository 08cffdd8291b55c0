#include "conopa/data/cifar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/data/data_testing.h"

namespace conopa::data {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
using testing::TempFolder;
using testing::to_bytes;

// One record: planes filled with r, g, b.
std::string record(std::string_view labels, char r, char g, char b) {
  return std::string(labels) + std::string(1024, r) + std::string(1024, g) + std::string(1024, b);
}

CifarRecords parse(const std::string& file, CifarKind kind) {
  return parse_cifar(to_bytes(file), kind, "x");
}

TEST(CifarTest, InterleavesThePlanes) {
  std::string file = record("\x03", 'r', 'g', 'b');
  file[1 + 1] = 'R';  // second pixel of the red plane
  const CifarRecords records = parse(file, CifarKind::kCifar10);
  EXPECT_THAT(records.labels, ElementsAre(3));
  ASSERT_EQ(records.pixels.size(), 3072U);
  const std::vector<std::uint8_t> first(records.pixels.begin(), records.pixels.begin() + 6);
  EXPECT_THAT(first, ElementsAre('r', 'g', 'b', 'R', 'g', 'b'));
}

TEST(CifarTest, UsesTheFineLabelOfCifar100) {
  const auto records = parse(record("\x05\x63", 1, 2, 3), CifarKind::kCifar100);
  EXPECT_THAT(records.labels, ElementsAre(99));
}

TEST(CifarTest, RefusesPartialRecordsAndEmptyFiles) {
  const std::string file = record("\x03", 'r', 'g', 'b');
  const auto error = [](const std::string& bytes) {
    return error_of<FormatError>([&] { (void)parse(bytes, CifarKind::kCifar10); });
  };
  EXPECT_THAT(error(file.substr(1)), HasSubstr("multiple of 3073"));
  EXPECT_THAT(error(""), HasSubstr("found 0"));
}

TEST(CifarTest, RefusesLabelsOutOfRange) {
  const std::string file = record("\x01", 0, 0, 0) + record("\x0A", 0, 0, 0);
  EXPECT_THAT(error_of<FormatError>([&] { (void)parse(file, CifarKind::kCifar10); }),
              HasSubstr("found 10 at image 1"));
  EXPECT_THROW((void)parse(record("\x01\x64", 0, 0, 0), CifarKind::kCifar100), FormatError);
}

TEST(CifarTest, OpensTheFoldersOfTheArchives) {
  const TempFolder folder;
  for (int i = 1; i <= 5; ++i) {
    const std::string label(1, static_cast<char>(i));
    folder.write("cifar-10-batches-bin/data_batch_" + std::to_string(i) + ".bin",
                 record(label, 1, 2, 3));
  }
  folder.write("cifar-10-batches-bin/test_batch.bin", record("\x09", 1, 2, 3));
  folder.write("cifar-10-batches-bin/batches.meta.txt",
               "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n");
  const auto train = open_cifar(folder.path(), CifarKind::kCifar10, "train");
  EXPECT_EQ(train->size(), 5);
  EXPECT_EQ(train->get(4).label, 5);
  EXPECT_EQ(train->get(0).image.width, 32);
  EXPECT_EQ(train->class_names().at(9), "truck");
  const auto test = open_cifar(folder.path() / "cifar-10-batches-bin", CifarKind::kCifar10, "test");
  EXPECT_EQ(test->get(0).label, 9);
}

TEST(CifarTest, SaysWhichFileIsMissing) {
  const TempFolder folder;
  folder.write("test.bin", record("\x05\x63", 1, 2, 3));
  const auto test = open_cifar(folder.path(), CifarKind::kCifar100, "test");
  EXPECT_EQ(test->num_classes(), 100);
  EXPECT_THAT(
      error_of<IoError>([&] { (void)open_cifar(folder.path(), CifarKind::kCifar100, "train"); }),
      HasSubstr("train.bin"));
  EXPECT_THROW((void)open_cifar(folder.path(), CifarKind::kCifar100, "val"), ConfigError);
}

}  // namespace
}  // namespace conopa::data
