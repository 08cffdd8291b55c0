#include "conopa/train/run_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/core/error.h"
#include "tests/train/toy.h"

namespace conopa::train {
namespace {

using testing::HasSubstr;

TEST(RunFolderTest, RefusesASecondRun) {
  const TestFolder folder;
  const RunFolder first(folder / "run");
  try {
    const RunFolder second(folder / "run");
    FAIL() << "two runs share a folder";
  } catch (const RunError& error) {
    EXPECT_THAT(error.what(), HasSubstr("in use by process " + std::to_string(::getpid())));
  }
}

TEST(RunFolderTest, IsFreeAgainAfterARun) {
  const TestFolder folder;
  { const RunFolder first(folder / "run"); }
  EXPECT_NO_THROW(RunFolder(folder / "run"));
}

TEST(RunFolderTest, RefusesAFileInTheWay) {
  const TestFolder folder;
  std::ofstream(folder / "run") << "x";
  EXPECT_THROW(RunFolder(folder / "run"), IoError);
}

TEST(RunFolderTest, RefusesAnEmptyName) { EXPECT_THROW(RunFolder(""), ConfigError); }

TEST(RunFolderTest, PrefersTheLastThenTheNewestNumberedCheckpoint) {
  const TestFolder root;
  const RunFolder folder(root / "run");
  EXPECT_FALSE(folder.newest_checkpoint().has_value());
  std::filesystem::create_directories(folder.checkpoint("best"));
  EXPECT_EQ(folder.newest_checkpoint(), folder.checkpoint("best"));
  for (const char* name : {"epoch_9", "epoch_10", "epoch_x"}) {
    std::filesystem::create_directories(folder.checkpoint(name));
  }
  EXPECT_EQ(folder.newest_checkpoint(), folder.checkpoint("epoch_10"));
  std::filesystem::create_directories(folder.checkpoint("last"));
  EXPECT_EQ(folder.newest_checkpoint(), folder.checkpoint("last"));
}

TEST(RunFolderTest, ClearsWhatRunsWriteAndNothingElse) {
  const TestFolder root;
  const RunFolder folder(root / "run");
  folder.describe(toy_config(folder.root()), "conopa train", {{"host", "h"}});
  std::ofstream(folder.file("notes.txt")) << "mine";
  EXPECT_TRUE(folder.has_run());
  folder.clear();
  EXPECT_FALSE(folder.has_run());
  EXPECT_TRUE(std::filesystem::exists(folder.file("notes.txt")));
}

TEST(RunFolderTest, DescribesTheRun) {
  const TestFolder root;
  const RunFolder folder(root / "run");
  folder.describe(toy_config(folder.root()), "conopa train a.toml", {{"host", "h"}});
  folder.describe(toy_config(folder.root()), "conopa train a.toml --resume auto", {{"host", "h"}});
  EXPECT_EQ(read_bytes(folder.file("command.txt")),
            "conopa train a.toml\nconopa train a.toml --resume auto\n");
  EXPECT_THAT(read_bytes(folder.file("config.toml")), HasSubstr("lr_peak"));
  EXPECT_THAT(read_bytes(folder.file("environment.json")), HasSubstr("\"host\": \"h\""));
}

}  // namespace
}  // namespace conopa::train
