#include "conopa/report/tensorboard.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <map>
#include <vector>

#include "conopa/core/error.h"
#include "conopa/image/codec.h"
#include "conopa/io/mapped_file.h"
#include "report/crc32c.h"
#include "tests/io/proto_fields.h"

namespace conopa::report {
namespace {

std::uint64_t little_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) {
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

/// The records of a TFRecord file, checksums verified.
std::vector<std::string> read_records(const std::filesystem::path& path) {
  const std::string text = read_text_file(path);
  std::vector<std::string> records;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view head = rest.substr(0, 8);
    const auto size = static_cast<std::size_t>(little_endian(head));
    EXPECT_EQ(little_endian(rest.substr(8, 4)), mask_crc(crc32c(head)));
    const std::string_view data = rest.substr(12, size);
    EXPECT_EQ(little_endian(rest.substr(12 + size, 4)), mask_crc(crc32c(data)));
    records.emplace_back(data);
    rest.remove_prefix(16 + size);
  }
  return records;
}

/// The fields of a message by number, the last of each.
std::map<int, std::string> decode(std::string_view message) {
  std::map<int, std::string> fields;
  for (const auto& [number, value] : conopa::testing::proto_fields(message)) fields[number] = value;
  return fields;
}

double as_double(std::string_view bytes) { return std::bit_cast<double>(little_endian(bytes)); }

std::vector<double> as_doubles(const std::string& bytes) {
  std::vector<double> out(bytes.size() / 8);
  std::memcpy(out.data(), bytes.data(), bytes.size());
  return out;
}

class TensorBoardWriterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(::testing::TempDir()) /
              (std::string("conopa_tb_") +
               ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] TensorBoardWriter make() const {
    return TensorBoardWriter(folder_, {.wall_time = 1.5, .host = "host"});
  }
  /// The only value of the summary in the record after the header.
  static std::map<int, std::string> value_of(const TensorBoardWriter& writer) {
    const std::vector<std::string> records = read_records(writer.path());
    if (records.size() != 2) return {};
    return decode(decode(decode(records[1])[5])[1]);
  }

  std::filesystem::path folder_;
};

TEST_F(TensorBoardWriterTest, FileStartsWithVersionRecordByteForByte) {
  const TensorBoardWriter writer = make();
  EXPECT_EQ(writer.path().filename(), "events.out.tfevents.0000000001.host");
  const std::string text = read_text_file(writer.path());
  // wall_time = 1.5 (field 1, fixed 64), file_version (field 3) of 13 bytes: 9 + 15 = 24.
  EXPECT_EQ(text.substr(0, 8), std::string("\x18\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(text.substr(12, 24),
            std::string("\x09\0\0\0\0\0\0\xf8\x3f\x1a\x0d", 11) + "brain.Event:2");
  EXPECT_EQ(text.size(), 40U);
  EXPECT_EQ(read_records(writer.path()).size(), 1U);
}

TEST_F(TensorBoardWriterTest, ScalarIsEncodedByteForByte) {
  TensorBoardWriter writer = make();
  writer.scalar("l", 300, 0.5, 2.0);
  const std::string expected =
      std::string("\x09\0\0\0\0\0\0\0\x40", 9) +  // wall_time = 2.0
      std::string("\x10\xac\x02", 3) +            // step = 300
      std::string("\x2a\x0a\x0a\x08", 4) +        // summary, 10 bytes; value, 8 bytes
      std::string("\x0a\x01l", 3) +               // tag
      std::string("\x15\0\0\0\x3f", 5);           // simple_value = 0.5
  EXPECT_EQ(read_records(writer.path()).at(1), expected);
}

TEST_F(TensorBoardWriterTest, NegativeStepsAndNanAreLegal) {
  TensorBoardWriter writer = make();
  writer.scalar("loss", -1, std::nan(""), 2.0);
  EXPECT_EQ(decode(read_records(writer.path()).at(1))[2], "-1");
  const auto bits = static_cast<std::uint32_t>(little_endian(value_of(writer)[2]));
  EXPECT_TRUE(std::isnan(std::bit_cast<float>(bits)));
}

TEST_F(TensorBoardWriterTest, ImageHoldsPngOfTheSameSize) {
  image::Image picture(3, 2, 3);
  picture.pixels[4] = 200;
  TensorBoardWriter writer = make();
  writer.image("samples", 7, picture, 2.0);
  std::map<int, std::string> encoded = decode(value_of(writer)[4]);
  EXPECT_EQ(encoded[1], "2");
  EXPECT_EQ(encoded[2], "3");
  EXPECT_EQ(encoded[3], "3");
  const std::string& png = encoded[4];
  EXPECT_EQ(image::decode(std::as_bytes(std::span(png.data(), png.size())), "png"), picture);
}

TEST_F(TensorBoardWriterTest, TextIsAStringTensorOfTheTextPlugin) {
  TensorBoardWriter writer = make();
  writer.text("config", 0, "# Recipe", 2.0);
  std::map<int, std::string> value = value_of(writer);
  std::map<int, std::string> tensor = decode(value[8]);
  EXPECT_EQ(tensor[1], "7");
  EXPECT_EQ(decode(decode(tensor[2])[2])[1], "1");
  EXPECT_EQ(tensor[8], "# Recipe");
  EXPECT_EQ(decode(decode(value[9])[1])[1], "text");
}

TEST_F(TensorBoardWriterTest, HistogramCountsEveryFiniteValueOnce) {
  std::vector<float> values = {0.0F, 0.5F, 0.5F, 1.0F, NAN, INFINITY};
  TensorBoardWriter writer = make();
  writer.histogram("weights", 0, values, 2.0);
  std::map<int, std::string> histogram = decode(value_of(writer)[5]);
  EXPECT_EQ(as_double(histogram[1]), 0.0);
  EXPECT_EQ(as_double(histogram[2]), 1.0);
  EXPECT_EQ(as_double(histogram[3]), 4.0);
  EXPECT_EQ(as_double(histogram[4]), 2.0);
  EXPECT_EQ(as_double(histogram[5]), 1.5);
  const std::vector<double> limits = as_doubles(histogram[6]);
  const std::vector<double> counts = as_doubles(histogram[7]);
  ASSERT_EQ(limits.size(), 50U);
  ASSERT_EQ(counts.size(), 50U);
  EXPECT_EQ(limits.back(), 1.0);
  EXPECT_EQ(counts.front(), 1.0);
  EXPECT_EQ(counts[24], 2.0);  // 0.5 is the upper limit of the 25th of 50 buckets
  EXPECT_EQ(counts.back(), 1.0);
}

TEST_F(TensorBoardWriterTest, ConstantValuesMakeOneBucketAndNoValuesNoRecord) {
  TensorBoardWriter writer = make();
  writer.histogram("none", 0, std::vector<float>{NAN}, 2.0);
  EXPECT_EQ(read_records(writer.path()).size(), 1U);
  writer.histogram("constant", 0, std::vector<float>(3, 2.0F), 2.0);
  std::map<int, std::string> histogram = decode(value_of(writer)[5]);
  EXPECT_EQ(as_doubles(histogram[6]), std::vector<double>{2.0});
  EXPECT_EQ(as_doubles(histogram[7]), std::vector<double>{3.0});
}

TEST_F(TensorBoardWriterTest, SecondWriterOfTheSameSecondGetsItsOwnFile) {
  const TensorBoardWriter first = make();
  const TensorBoardWriter second = make();
  EXPECT_NE(first.path(), second.path());
  EXPECT_EQ(read_records(first.path()).size(), 1U);
}

TEST_F(TensorBoardWriterTest, ResumedRunAnnouncesItsFirstStep) {
  const TensorBoardWriter writer(folder_, {.wall_time = 1.5, .host = "host", .resume_step = 120});
  std::map<int, std::string> event = decode(read_records(writer.path()).at(1));
  EXPECT_EQ(event[2], "120");
  EXPECT_EQ(decode(event[7])[1], "1");
}

TEST_F(TensorBoardWriterTest, MissingFolderIsAnIoError) {
  EXPECT_THROW(TensorBoardWriter(folder_ / "none", {}), IoError);
}

}  // namespace
}  // namespace conopa::report
