#include "conopa/text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/core/error.h"

namespace conopa::text {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ByteTokenizerTest, GivesTheBytesOfAnyText) {
  const ByteTokenizer tokenizer;
  EXPECT_THAT(tokenizer.encode("aé\xFF"), ElementsAre(97, 0xC3, 0xA9, 0xFF));
  EXPECT_THAT(tokenizer.encode(""), IsEmpty());
  EXPECT_EQ(tokenizer.vocabulary(), 259);
}

TEST(EncodePaddedTest, GivesExactlyTheContext) {
  const ByteTokenizer tokenizer;
  EXPECT_THAT(encode_padded(tokenizer, "ab", 6, TextStart::kBos),
              ElementsAre(257, 97, 98, 258, 256, 256));
  EXPECT_THAT(encode_padded(tokenizer, "ab", 4, TextStart::kPlain), ElementsAre(97, 98, 258, 256));
  EXPECT_THAT(encode_padded(tokenizer, "", 2, TextStart::kBos), ElementsAre(257, 258));
}

TEST(EncodePaddedTest, CutsTheTextSoThatTheEndIsLast) {
  const ByteTokenizer tokenizer;
  EXPECT_THAT(encode_padded(tokenizer, "abc", 4, TextStart::kBos), ElementsAre(257, 97, 98, 258));
  EXPECT_THAT(encode_padded(tokenizer, "abc", 1, TextStart::kPlain), ElementsAre(258));
}

TEST(EncodePaddedTest, RefusesAContextWithoutRoomForTheSpecials) {
  EXPECT_THROW((void)encode_padded(ByteTokenizer(), "a", 1, TextStart::kBos), ConfigError);
  EXPECT_THROW((void)encode_padded(ByteTokenizer(), "a", 0, TextStart::kPlain), ConfigError);
}

TEST(OpenTokenizerTest, KnowsBytesAndRefusesWhatIsNotThere) {
  EXPECT_EQ(open_tokenizer("bytes")->eos(), 258);
  EXPECT_THROW((void)open_tokenizer("/nowhere/merges.txt"), IoError);
}

}  // namespace
}  // namespace conopa::text
