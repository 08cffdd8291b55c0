#include "conopa/text/clip_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "tests/text/tiny_clip.h"

namespace conopa::text {
namespace {

using ::testing::ElementsAre;
using testing::inner;
using ::testing::IsEmpty;
using testing::kTinyMerges;
using testing::last;

std::unique_ptr<ClipTokenizer> tiny() { return ClipTokenizer::from_merges(kTinyMerges, "tiny"); }

TEST(ClipTokenizerTest, NumbersBytesThenMergesThenSpecials) {
  const auto tokenizer = tiny();
  EXPECT_EQ(tokenizer->vocabulary(), 522);
  EXPECT_EQ(tokenizer->bos(), 520);
  EXPECT_EQ(tokenizer->eos(), 521);
  EXPECT_EQ(tokenizer->pad(), 521);
  EXPECT_THAT(tokenizer->encode("!"), ElementsAre(256));
  EXPECT_THAT(tokenizer->encode("~~"), ElementsAre(93, 349));
}

TEST(ClipTokenizerTest, MergesTheLowestRankFirstAndKnowsTheWordsEnd) {
  const auto tokenizer = tiny();
  EXPECT_THAT(tokenizer->encode("low"), ElementsAre(513));
  EXPECT_THAT(tokenizer->encode("lower LOW"), ElementsAre(516, 513));
  EXPECT_THAT(tokenizer->encode("lowlow"), ElementsAre(515, 513));
  EXPECT_THAT(tokenizer->encode("lo"), ElementsAre(inner('l'), last('o')));  // "l o" is no end
  EXPECT_THAT(tokenizer->encode("abc abcd"), ElementsAre(519, 518, inner('c'), last('d')));
}

TEST(ClipTokenizerTest, MergesOneRankEverywhereBeforeAnother) {
  // "a a" twice from the left leaves "aa aa a</w>"; merging "aa a" at once would differ.
  const auto tokenizer = ClipTokenizer::from_merges("#version\naa a</w>\na a\naa aa\n", "x");
  EXPECT_THAT(tokenizer->encode("aaaaa"), ElementsAre(513, 512));
  EXPECT_THAT(tokenizer->encode("aaaaaa"), ElementsAre(514, inner('a'), last('a')));
}

TEST(ClipTokenizerTest, SplitsContractionsAndNumbers) {
  EXPECT_THAT(tiny()->encode("low's 12"), ElementsAre(513, 517, last('1'), last('2')));
}

TEST(ClipTokenizerTest, EncodesBytesBeyondAscii) {
  // é is C3 A9: both stand for themselves; A1..AC are ids 94..105, AE..FF are 106..187.
  EXPECT_THAT(tiny()->encode("é"), ElementsAre(106 + 0xC3 - 0xAE, 256 + 94 + 0xA9 - 0xA1));
  // U+3042 is E3 81 82: bytes 81 and 82 come behind 188 printable ones, 33 controls, 7F and 80.
  EXPECT_THAT(tiny()->encode("あ"), ElementsAre(106 + 0xE3 - 0xAE, 188 + 35, 256 + 188 + 36));
}

TEST(ClipTokenizerTest, SpecialTokensInATextAreCharacters) {
  for (const std::int64_t id : tiny()->encode("<|endoftext|>")) EXPECT_LT(id, 520);
  EXPECT_THAT(tiny()->encode(" \n"), IsEmpty());
}

TEST(ClipTokenizerTest, CutsLongTextAtTheContext) {
  EXPECT_THAT(encode_padded(*tiny(), "low low low low", 4, TextStart::kBos),
              ElementsAre(520, 513, 513, 521));
  EXPECT_THAT(encode_padded(*tiny(), "low", 4, TextStart::kBos), ElementsAre(520, 513, 521, 521));
}

TEST(ClipTokenizerTest, AnEndlessWordCostsLittle) {
  const auto tokenizer = ClipTokenizer::from_merges("#version\na a\naa aa\n", "x");
  const std::string word(1 << 20, 'a');
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(tokenizer->encode(word).size(), (1U << 18U) - 1 + 3);  // the end: aa, a, a</w>
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));  // n² takes hours
}

}  // namespace
}  // namespace conopa::text
