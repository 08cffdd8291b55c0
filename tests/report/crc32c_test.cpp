#include "report/crc32c.h"

#include <gtest/gtest.h>

#include <string>

#include "report/base64.h"

namespace conopa::report {
namespace {

// Known answers: the CRC catalogue's check value and RFC 3720, appendix B.4.
TEST(Crc32cTest, MatchesKnownAnswers) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(crc32c(""), 0U);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62A8AB43U);
  std::string ascending;
  for (char c = 0; c < 32; ++c) ascending += c;
  EXPECT_EQ(crc32c(ascending), 0x46DD794EU);
}

TEST(Crc32cTest, MaskRotatesAndAdds) {
  EXPECT_EQ(mask_crc(0), 0xa282ead8U);
  EXPECT_EQ(mask_crc(1U << 15), 0xa282ead9U);
  EXPECT_EQ(mask_crc(0xE3069283U), 0xC78AB0E5U);
}

TEST(Base64Test, MatchesRfcVectors) {
  const auto encode = [](std::string_view text) {
    return base64(std::as_bytes(std::span<const char>(text)));
  };
  EXPECT_EQ(encode(""), "");
  EXPECT_EQ(encode("f"), "Zg==");
  EXPECT_EQ(encode("fo"), "Zm8=");
  EXPECT_EQ(encode("foo"), "Zm9v");
  EXPECT_EQ(encode("foobar"), "Zm9vYmFy");
  EXPECT_EQ(encode("\xff\xfe\xfd"), "//79");
}

}  // namespace
}  // namespace conopa::report
