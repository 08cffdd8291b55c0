#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "conopa/core/error.h"
#include "conopa/text/clip_tokenizer.h"
#include "tests/text/tiny_clip.h"
#include "text/clip_vocabulary.h"

namespace conopa::text {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::kTinyMerges;
using Json = nlohmann::json;

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const FormatError& error) {
    return error.what();
  }
  ADD_FAILURE() << "no FormatError";
  return {};
}

std::string merges_error(const std::string& merges) {
  return error_of([&] { (void)ClipTokenizer::from_merges(merges, "m"); });
}

/// The ids of the tiny vocabulary, all 1000 higher, so that the file's ids show.
Json tiny_vocabulary() {
  Json vocabulary;
  for (const auto& [symbol, id] : number_symbols(parse_merges(kTinyMerges, "m"))) {
    vocabulary[symbol] = id + 1000;
  }
  return vocabulary;
}

Json tiny_tokenizer_json() {
  Json merges = Json::array();
  for (const MergeEntry& merge : parse_merges(kTinyMerges, "m").entries) {
    if (merges.size() % 2 == 0) {
      merges.push_back(merge.left + " " + merge.right);
    } else {
      merges.push_back({merge.left, merge.right});
    }
  }
  Json vocabulary = tiny_vocabulary();
  vocabulary.erase("<|endoftext|>");
  return {{"model", {{"vocab", vocabulary}, {"merges", merges}}},
          {"added_tokens", {{{"id", 1521}, {"content", "<|endoftext|>"}}}}};
}

class ClipFilesTest : public ::testing::Test {
 protected:
  ClipFilesTest() { std::filesystem::create_directories(folder_); }
  ~ClipFilesTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  void write(const char* name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }

  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("conopa_text_" + std::to_string(getpid()));
};

TEST_F(ClipFilesTest, OpensMergesPlainAndCompressed) {
  write("m.txt", kTinyMerges);
  const std::string gz = folder_ / "m.txt.gz";
  gzFile file = gzopen(gz.c_str(), "wb");
  ASSERT_EQ(gzwrite(file, kTinyMerges.data(), static_cast<unsigned>(kTinyMerges.size())),
            static_cast<int>(kTinyMerges.size()));
  gzclose(file);
  for (const char* name : {"m.txt", "m.txt.gz"}) {
    EXPECT_THAT(open_tokenizer((folder_ / name).string())->encode("lower"), ElementsAre(516));
  }
}

TEST_F(ClipFilesTest, OpensFoldersAndTokenizerJson) {
  EXPECT_THROW((void)ClipTokenizer::open(folder_), IoError);
  write("merges.txt", kTinyMerges);
  EXPECT_THAT(ClipTokenizer::open(folder_)->encode("lower"), ElementsAre(516));
  write("tokenizer.json", tiny_tokenizer_json().dump());
  EXPECT_THAT(ClipTokenizer::open(folder_)->encode("low's"), ElementsAre(1513, 1517));
  EXPECT_EQ(ClipTokenizer::open(folder_ / "tokenizer.json")->eos(), 1521);
  write("vocab.json", tiny_vocabulary().dump());
  const auto both = ClipTokenizer::open(folder_);
  EXPECT_THAT(both->encode("abc"), ElementsAre(1519));
  EXPECT_EQ(both->bos(), 1520);
  EXPECT_EQ(both->vocabulary(), 1522);
  EXPECT_THAT(error_of([&] { (void)ClipTokenizer::open(folder_ / "vocab.json"); }),
              HasSubstr("the folder of vocab.json"));
}

TEST(ClipVocabularyTest, ThePublishedSizeFollowsFromTheMergesThatCount) {
  // Any 48,895 merges: all pairs of two bytes, the last of them beyond what counts.
  const auto characters = byte_characters();
  std::string merges = "#version\n";
  for (int i = 0; i < 48895; ++i) {
    merges += characters[static_cast<std::size_t>(i / 256)] + " " +
              characters[static_cast<std::size_t>(i % 256)] + "\n";
  }
  const auto tokenizer = ClipTokenizer::from_merges(merges, "m");
  EXPECT_EQ(tokenizer->vocabulary(), 49408);
  EXPECT_EQ(tokenizer->bos(), 49406);
  EXPECT_EQ(tokenizer->eos(), 49407);
}

TEST(ClipVocabularyTest, NamesTheLineOfABadMerge) {
  EXPECT_THAT(merges_error(""), HasSubstr("line 1"));
  EXPECT_THAT(merges_error("l o\n"), HasSubstr("#version"));
  EXPECT_THAT(merges_error("#version\nl o\nl o w\n"), HasSubstr("on line 3, found 3"));
  EXPECT_THAT(merges_error("#version\n\nl o\n"), HasSubstr("on line 2, found 0"));
  EXPECT_THAT(merges_error("#version\nl o\nlow er\n"), HasSubstr("on line 3, found 'low'"));
  EXPECT_THAT(merges_error("#version\nl o\nl o\n"), HasSubstr("again on line 3"));
  EXPECT_THAT(merges_error("#version\n\xFF o\n"), HasSubstr("on line 2"));
}

TEST(ClipVocabularyTest, NamesTheBadEntryOfAVocabulary) {
  const auto error = [](const std::string& json) {
    return error_of([&] { (void)ClipTokenizer::from_vocabulary(json, kTinyMerges, "v"); });
  };
  EXPECT_THAT(error("{\n\"a\": 1,\n"), HasSubstr("line 3"));
  EXPECT_THAT(error("[1]"), HasSubstr("found array"));
  EXPECT_THAT(error(R"({"a": 1e999})"), HasSubstr("found a larger one"));  // found by fuzzing
  EXPECT_THAT(error(R"({"a": -1})"), HasSubstr("for 'a', found -1"));
  EXPECT_THAT(error(R"({"a": 1048576})"), HasSubstr("0..1048575"));
  EXPECT_THAT(error(R"({"a": "x"})"), HasSubstr("found string"));
  EXPECT_THAT(error(R"({"a": 1, "b": 1})"), HasSubstr("found 1 again at 'b'"));
  EXPECT_THAT(error(R"({"a": 1})"), HasSubstr("expected an id for the byte"));
  EXPECT_THAT(error(std::string(100000, '[')), HasSubstr("levels"));
  Json without = tiny_vocabulary();
  without.erase("<|startoftext|>");
  EXPECT_THAT(error(without.dump()), HasSubstr("<|startoftext|>"));
  without = tiny_vocabulary();
  without.erase("low");
  EXPECT_THAT(error(without.dump()), HasSubstr("on line 5, found 'low'"));
}

TEST(ClipVocabularyTest, NamesTheBadEntryOfATokenizerJson) {
  const auto error = [](const Json& json) {
    return error_of([&] { (void)ClipTokenizer::from_tokenizer_json(json.dump(), "t"); });
  };
  EXPECT_THAT(error({{"model", 3}}), HasSubstr("model.vocab"));
  for (const Json& bad : {Json("lo"), Json("l o w"), Json({"l"}), Json({"l", 3}), Json(7)}) {
    Json json = tiny_tokenizer_json();
    json["model"]["merges"][2] = bad;
    EXPECT_THAT(error(json), HasSubstr("merge 3")) << bad;
  }
  Json json = tiny_tokenizer_json();
  json["added_tokens"] = {{{"id", 3}}};
  EXPECT_THAT(error(json), HasSubstr("added_tokens"));
}

}  // namespace
}  // namespace conopa::text
