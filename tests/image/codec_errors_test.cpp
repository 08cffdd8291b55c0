#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "conopa/core/error.h"
#include "conopa/core/rng.h"
#include "conopa/image/codec.h"
#include "tests/image/test_images.h"

namespace conopa::image {
namespace {

using ::testing::HasSubstr;
using testing::read_bytes;

using Bytes = std::vector<std::byte>;

std::string error_of(const Bytes& bytes, const DecodeOptions& options = {}) {
  try {
    static_cast<void>(decode(bytes, "photo.jpg", options));
  } catch (const FormatError& error) {
    return error.what();
  }
  return "no error";
}

Bytes bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

const std::vector<std::string> kFiles = {
    "rgb420.jpg", "rgb444_progressive.jpg", "cmyk.jpg",  "colour6_16.png", "palette8_alpha.png",
    "lossy.webp", "lossless.webp",          "alpha.webp"};

TEST(CodecErrorsTest, NamesTheFileAndWhatItFound) {
  EXPECT_THAT(error_of({}), HasSubstr("[photo.jpg] expected an image, the file is empty"));
  EXPECT_THAT(error_of(bytes_of("GIF89a")), HasSubstr("found a GIF image"));
  EXPECT_THAT(error_of(bytes_of("<!DOCTYPE html>")), HasSubstr("found an HTML page"));
  EXPECT_THAT(error_of(bytes_of("....ftypavif")), HasSubstr("HEIF or AVIF"));
  EXPECT_THAT(error_of(bytes_of("abc")), HasSubstr("found bytes 61 62 63"));
}

TEST(CodecErrorsTest, EveryTruncationIsAnErrorOrComplete) {
  for (const std::string& name : kFiles) {
    const Bytes whole = read_bytes(name);
    const Image expected = decode(whole, name);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      try {
        // Only what follows the pixels may be missing unnoticed.
        EXPECT_EQ(decode(cut, name), expected) << name << " cut to " << size;
        EXPECT_GE(size + 24, whole.size()) << name;
      } catch (const FormatError& error) {
        EXPECT_THAT(error.what(), HasSubstr(name));
      }
    }
  }
}

TEST(CodecErrorsTest, TruncatedFilesAreCompletedOnRequest) {
  for (const std::string name : {"rgb420.jpg", "colour6_16.png", "lossy.webp"}) {
    const Bytes whole = read_bytes(name);
    const Image expected = decode(whole, name);
    const std::size_t missing = name.ends_with("png") ? 40 : 12;
    const Bytes cut(whole.begin(), whole.end() - static_cast<std::ptrdiff_t>(missing));
    EXPECT_THROW(static_cast<void>(decode(cut, name)), FormatError) << name;
    const Image partial = decode(cut, name, {.tolerate_truncated = true});
    EXPECT_EQ(partial.width, expected.width) << name;
    EXPECT_EQ(partial.pixels.size(), expected.pixels.size()) << name;
  }
}

TEST(CodecErrorsTest, DamagedBytesNeverCrash) {
  Rng rng(1, RngPurpose::kTest);
  int refused = 0;
  for (const std::string& name : kFiles) {
    const Bytes whole = read_bytes(name);
    for (int i = 0; i < 300; ++i) {
      Bytes damaged = whole;
      for (std::int64_t k = 0; k <= rng.below(4); ++k) {
        const auto at =
            static_cast<std::size_t>(rng.below(static_cast<std::int64_t>(whole.size())));
        damaged[at] = static_cast<std::byte>(rng.below(256));
      }
      try {
        static_cast<void>(decode(damaged, name, {.max_pixels = 1 << 20}));
      } catch (const FormatError&) {
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 100);
}

TEST(CodecErrorsTest, LargeImagesAreRefusedByTheirHeader) {
  for (const std::string& name : kFiles) {
    const Bytes bytes = read_bytes(name);
    EXPECT_THAT(error_of(bytes, {.max_pixels = 20}), HasSubstr("expected at most 20 pixels"))
        << name;
    EXPECT_THROW(static_cast<void>(probe(bytes, name, {.max_pixels = 20})), FormatError) << name;
  }
}

TEST(CodecErrorsTest, JpegWithoutPixelsIsRefused) {
  Bytes bytes = read_bytes("rgb444_progressive.jpg");
  for (std::size_t i = 0; i + 8 < bytes.size(); ++i) {
    if (bytes[i] == std::byte{0xFF} && bytes[i + 1] == std::byte{0xC2}) {
      std::memset(&bytes[i + 7], 0, 2);  // width in the frame header
    }
  }
  EXPECT_THAT(error_of(bytes), HasSubstr("expected a JPEG image"));
}

TEST(CodecErrorsTest, AnimatedWebpIsRefused) {
  const Bytes bytes =
      bytes_of(std::string_view("RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0"
                                "\x03\0\0\x03\0\0",
                                30));
  EXPECT_THAT(error_of(bytes), HasSubstr("expected a still WebP image, found an animation"));
}

}  // namespace
}  // namespace conopa::image
