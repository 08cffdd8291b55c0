#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "conopa/core/error.h"
#include "conopa/image/codec.h"

namespace conopa::image {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Image decode_text(const std::string& text, const DecodeOptions& options = {}) {
  return decode(std::as_bytes(std::span(text)), "a.pnm", options);
}

std::string error_of(const std::string& text) {
  try {
    static_cast<void>(decode_text(text));
  } catch (const FormatError& error) {
    return error.what();
  }
  return "no error";
}

TEST(PnmTest, ReadsPlainKinds) {
  EXPECT_THAT(decode_text("P1\n# c\n3 2\n1 0 1\n0#x\n10").pixels,
              ElementsAre(0, 255, 0, 255, 0, 255));
  EXPECT_THAT(decode_text("P2 2 1 255 7\n200").pixels, ElementsAre(7, 200));
  const Image rgb = decode_text("P3\n1 1\n15\n0 5 15\n");
  EXPECT_EQ(rgb.channels, 3);
  EXPECT_THAT(rgb.pixels, ElementsAre(0, 85, 255));
}

TEST(PnmTest, ReadsBinaryKinds) {
  // Rows of bitmaps are padded to bytes.
  EXPECT_THAT(decode_text("P4 3 2\n\xA0\x40").pixels, ElementsAre(0, 255, 0, 255, 0, 255));
  EXPECT_THAT(decode_text("P5 2 1 255\n\x07\xC8").pixels, ElementsAre(7, 200));
  EXPECT_THAT(decode_text("P6\t1 1\r255\n\x01\x02\x03").pixels, ElementsAre(1, 2, 3));
}

TEST(PnmTest, ScalesByTheLargestValue) {
  EXPECT_THAT(decode_text("P5 3 1 100\n\x01\x32\x64").pixels, ElementsAre(3, 128, 255));
  EXPECT_THAT(decode_text(std::string("P5 3 1 65535\n\xFF\xFF\x80\0\0\x7F", 19)).pixels,
              ElementsAre(255, 128, 0));
  EXPECT_THAT(decode_text("P5 1 1 100\n\xFF").pixels, ElementsAre(255));  // above the maximum
}

TEST(PnmTest, RefusesWhatIsNotAnImage) {
  EXPECT_THAT(error_of("P5 0 2 255\n"), HasSubstr("at least one pixel"));
  EXPECT_THAT(error_of("P5 2 2 0\n1234"), HasSubstr("maxval"));
  EXPECT_THAT(error_of("P5 2 2 65536\n1234"), HasSubstr("maxval of at most 65535"));
  EXPECT_THAT(error_of("P5 99999999999999999999 2 255\n"), HasSubstr("width of at most"));
  EXPECT_THAT(error_of("P2 2 1 255 7 x"), HasSubstr("sample as a decimal number"));
  EXPECT_THAT(error_of("P2 2 1 10 7 11"), HasSubstr("sample of at most 10"));
  EXPECT_THAT(error_of("P1 2 1 1 2"), HasSubstr("samples 0 or 1"));
}

TEST(PnmTest, RefusesTruncatedFiles) {
  for (const std::string text :
       {"P5", "P5 2", "P5 2 2", "P5 2 2 255", "P5 2 2 255\n123", "P2 2 2 255 1 2 3", "P1 2 2 1 0 1",
        "P4 9 2\n123", "P6 40000 4000 255\nabc"}) {
    EXPECT_THAT(error_of(text + (text.size() == 2 ? "\n" : "")), HasSubstr("ends early")) << text;
  }
}

TEST(PnmTest, CompletesTruncatedFilesOnRequest) {
  EXPECT_THAT(decode_text("P5 2 2 255\n\x05", {.tolerate_truncated = true}).pixels,
              ElementsAre(5, 0, 0, 0));
}

}  // namespace
}  // namespace conopa::image
