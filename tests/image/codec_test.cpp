#include "conopa/image/codec.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "conopa/core/error.h"
#include "tests/image/test_images.h"

namespace conopa::image {
namespace {

using testing::data_folder;
using testing::read_bytes;
using testing::synthetic;

/// A line of data/codec.txt: what PIL makes of the file.
struct CodecCase {
  std::string name;
  std::int64_t width = 0;
  std::int64_t height = 0;
  std::int64_t channels = 0;
  std::string hash;
};

std::vector<CodecCase> codec_cases() {
  std::ifstream file(data_folder() / "codec.txt");
  std::vector<CodecCase> cases;
  for (CodecCase c; file >> c.name >> c.width >> c.height >> c.channels >> c.hash;) {
    cases.push_back(c);
  }
  return cases;
}

TEST(CodecTest, DecodesEveryKindToTheSamplesOfPil) {
  const std::vector<CodecCase> cases = codec_cases();
  ASSERT_GE(cases.size(), 30U);
  for (const CodecCase& c : cases) {
    const Image image = decode(read_bytes(c.name), c.name);
    EXPECT_EQ(image.width, c.width) << c.name;
    EXPECT_EQ(image.height, c.height) << c.name;
    EXPECT_EQ(image.channels, c.channels) << c.name;
    EXPECT_EQ(testing::fnv(image), c.hash) << c.name;
  }
}

TEST(CodecTest, ProbeTellsWhatDecodeReturns) {
  for (const CodecCase& c : codec_cases()) {
    const ImageInfo info = probe(read_bytes(c.name), c.name);
    EXPECT_EQ(info.width, c.width) << c.name;
    EXPECT_EQ(info.height, c.height) << c.name;
    EXPECT_EQ(info.channels, c.channels) << c.name;
    const bool jpeg = c.name.ends_with(".jpg");
    const bool png = c.name.ends_with(".png");
    EXPECT_EQ(info.format, jpeg ? Format::kJpeg : png ? Format::kPng : Format::kWebp) << c.name;
  }
}

TEST(CodecTest, OrientationIsLeftAloneOnRequest) {
  const DecodeOptions as_stored{.apply_orientation = false};
  const Image stored = decode(read_bytes("orientation6.jpg"), "o6", as_stored);
  EXPECT_EQ(stored.width, 10);
  EXPECT_EQ(stored.height, 6);
  EXPECT_EQ(decode(read_bytes("orientation6.jpg"), "o6"), apply_orientation(stored, 6));
  EXPECT_EQ(probe(read_bytes("orientation6.jpg"), "o6", as_stored).width, 10);
}

TEST(CodecTest, PngRoundTripIsExact) {
  for (const std::int64_t channels : {1, 3, 4}) {
    const Image image = synthetic(33, 21, channels, 11);
    EXPECT_EQ(decode(encode_png(image), "png"), image);
  }
}

TEST(CodecTest, EncodersTakeWindows) {
  const Image image = synthetic(33, 21, 3, 11);
  const ImageView window = ImageView(image).window(5, 4, 10, 9);
  EXPECT_EQ(decode(encode_png(window), "png"), Image(window));
  EXPECT_EQ(encode_jpeg(window), encode_jpeg(Image(window)));
}

TEST(CodecTest, JpegRoundTripIsClose) {
  Image image(48, 40, 3);
  for (std::int64_t y = 0; y < image.height; ++y) {
    for (std::int64_t x = 0; x < image.width * 3; ++x) {
      image.row(y)[x] = static_cast<std::uint8_t>(x + 2 * y);
    }
  }
  const Image back = decode(encode_jpeg(image, 95), "jpeg");
  ASSERT_EQ(back.pixels.size(), image.pixels.size());
  int worst = 0;
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    worst = std::max(worst, std::abs(int{image.pixels[i]} - int{back.pixels[i]}));
  }
  EXPECT_LE(worst, 8);
  EXPECT_LT(encode_jpeg(image, 10).size(), encode_jpeg(image, 95).size());
}

TEST(CodecTest, JpegDropsAlphaAndKeepsGray) {
  EXPECT_EQ(decode(encode_jpeg(synthetic(9, 9, 4, 2)), "jpeg").channels, 3);
  EXPECT_EQ(decode(encode_jpeg(synthetic(9, 9, 1, 2)), "jpeg").channels, 1);
}

TEST(CodecTest, JpegEncoderRefusesBadRequests) {
  EXPECT_THROW(static_cast<void>(encode_jpeg(synthetic(2, 2, 3, 1), 0)), ConfigError);
  EXPECT_THROW(static_cast<void>(encode_jpeg(synthetic(2, 2, 3, 1), 101)), ConfigError);
  EXPECT_THROW(static_cast<void>(encode_jpeg(Image(65501, 1, 1))), ShapeError);
}

TEST(CodecTest, ReadsFiles) {
  EXPECT_EQ(decode_file(data_folder() / "rgb420.jpg"), decode(read_bytes("rgb420.jpg"), "x"));
  EXPECT_THROW(static_cast<void>(decode_file(data_folder() / "missing.jpg")), IoError);
  EXPECT_THROW(static_cast<void>(decode_file(data_folder())), IoError);
}

}  // namespace
}  // namespace conopa::image
