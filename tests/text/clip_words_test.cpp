#include "text/clip_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/core/error.h"

namespace conopa::text {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(CleanClipTextTest, LowersComposesAndTidies) {
  EXPECT_EQ(clean_clip_text("  A\t\n Llama \u00A0\u3000!  "), "a llama !");
  EXPECT_EQ(clean_clip_text("&amp;amp;lt;B"), "&lt;b");  // twice, not three times
  EXPECT_EQ(clean_clip_text("E\u0301TE\u0301"), "été");
  EXPECT_EQ(clean_clip_text("ÀÉÎ ΩЖ \u0130"), "àéî ωж i\u0307");
  EXPECT_EQ(clean_clip_text("\u3000 \n"), "");
}

TEST(CleanClipTextTest, NamesTheByteThatIsNotUtf8) {
  try {
    (void)clean_clip_text("abc\xC0z");
    FAIL();
  } catch (const FormatError& error) {
    EXPECT_THAT(error.what(), HasSubstr("byte 3 of 5"));
  }
  EXPECT_THROW((void)clean_clip_text("\xED\xA0\x80"), FormatError);  // a surrogate
  EXPECT_THROW((void)clean_clip_text("cut \xE2\x82"), FormatError);
}

TEST(SplitClipWordsTest, FollowsThePublishedPattern) {
  EXPECT_THAT(split_clip_words("a llama's 42nd hat, isn't it?!"),
              ElementsAre("a", "llama", "'s", "4", "2", "nd", "hat", ",", "isn", "'t", "it", "?!"));
  EXPECT_THAT(split_clip_words("they're we've i'm i'll i'd"),
              ElementsAre("they", "'re", "we", "'ve", "i", "'m", "i", "'ll", "i", "'d"));
  EXPECT_THAT(split_clip_words("'steam"), ElementsAre("'s", "team"));
  EXPECT_THAT(split_clip_words("!'s"), ElementsAre("!'", "s"));  // a run takes the apostrophe
  EXPECT_THAT(split_clip_words("'x"), ElementsAre("'", "x"));
  EXPECT_THAT(split_clip_words(" "), IsEmpty());
}

TEST(SplitClipWordsTest, KnowsUnicodeLettersNumbersAndMarks) {
  EXPECT_THAT(split_clip_words("été日本²½Ⅷ٣"), ElementsAre("été日本", "²", "½", "Ⅷ", "٣"));
  EXPECT_THAT(split_clip_words("x\u0301y"),
              ElementsAre("x", "\u0301", "y"));  // a mark is no letter
  EXPECT_THAT(split_clip_words("🦙🦙 ok\u2028ok"), ElementsAre("🦙🦙", "ok", "ok"));
}

}  // namespace
}  // namespace conopa::text
