#include "conopa/text/corpus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "conopa/core/error.h"

namespace conopa::text {
namespace {

namespace fs = std::filesystem;

class CorpusTest : public testing::Test {
 protected:
  CorpusTest()
      : folder_(fs::path(testing::TempDir()) /
                (std::string("corpus_") +
                 testing::UnitTest::GetInstance()->current_test_info()->name())) {
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "sub");
  }
  ~CorpusTest() override { fs::remove_all(folder_); }
  CorpusTest(const CorpusTest&) = delete;
  CorpusTest& operator=(const CorpusTest&) = delete;

  fs::path write(std::string_view name, std::string_view text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }

  [[nodiscard]] Corpus read(const std::vector<fs::path>& paths, std::int64_t max_bytes = 0) const {
    return read_corpus(paths, tokenizer_, max_bytes);
  }

  fs::path folder_;
  ByteTokenizer tokenizer_;
};

using testing::ElementsAre;

TEST_F(CorpusTest, ReadsFoldersInOrderAndLeavesOutWhatIsNoText) {
  write("b", "yz");
  write("sub/a", "x");
  write("a", std::string_view("q\0r", 3));
  const Corpus corpus = read({folder_});
  EXPECT_THAT(corpus.tokens, ElementsAre('y', 'z', 258, 'x', 258));
  EXPECT_EQ(corpus.files, 2);
  EXPECT_EQ(corpus.skipped, 1);
  EXPECT_EQ(corpus.bytes, 3);
}

TEST_F(CorpusTest, StopsAtTheLimit) {
  write("a", "abcd");
  write("b", "efgh");
  write("c", "ijkl");
  const Corpus corpus = read({folder_}, 6);
  EXPECT_THAT(corpus.tokens, ElementsAre('a', 'b', 'c', 'd', 258, 'e', 'f', 258));
  EXPECT_EQ(corpus.bytes, 6);
}

TEST_F(CorpusTest, RefusesNamedFilesWithoutTextAndNothingAtAll) {
  const fs::path binary = write("a", std::string_view("\0", 1));
  EXPECT_THROW(static_cast<void>(read({binary})), FormatError);
  EXPECT_THROW(static_cast<void>(read({folder_})), FormatError);
  EXPECT_THROW(static_cast<void>(read({folder_ / "none"})), IoError);
}

}  // namespace
}  // namespace conopa::text
