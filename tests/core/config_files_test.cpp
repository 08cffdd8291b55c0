// Recipes on disk: inheritance and its faults.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "conopa/core/config.h"
#include "conopa/core/error.h"
#include "tests/core/sample_options.h"
#include "tests/core/thrown.h"

namespace conopa {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using testing::message_of;
using testing::SampleRecipe;

class ConfigFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) /
              fmt::format("conopa_config_{}_{}", getpid(),
                          ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::create_directories(folder_ / "sub");
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    return folder_ / name;
  }
  static SampleRecipe load(const fs::path& path, const std::vector<std::string>& overrides = {}) {
    SampleRecipe recipe;
    Config::load(path, overrides).read(recipe);
    return recipe;
  }
  template <typename Expected>
  static std::string refusal(const fs::path& path) {
    return message_of<Expected>([&] { (void)load(path); });
  }

  fs::path folder_;
};

TEST_F(ConfigFilesTest, TablesMergeAndArraysReplace) {
  write("base.toml",
        "name = \"base\"\nclasses = [\"a\", \"b\"]\n[train]\nepochs = 5\namp = true\n");
  const fs::path path =
      write("r.toml", "base = \"base.toml\"\nclasses = [\"c\"]\ntrain.epochs = 6");
  const SampleRecipe recipe = load(path);
  EXPECT_EQ(recipe.name, "base");
  EXPECT_THAT(recipe.classes, ElementsAre("c"));
  EXPECT_EQ(recipe.train.epochs, 6);
  EXPECT_TRUE(recipe.train.amp);
}

TEST_F(ConfigFilesTest, BasesFormAChainRelativeToTheirFile) {
  write("a.toml", "name = \"a\"\n[train]\nepochs = 1\nlr_peak = 1\n");
  write("sub/b.toml", "base = \"../a.toml\"\n[train]\nepochs = 2\nlr_peak = 2");
  const fs::path path = write("c.toml", "base = \"sub/b.toml\"\n[train]\nepochs = 3");
  Config config = Config::load(path);
  SampleRecipe recipe;
  config.read(recipe);
  EXPECT_EQ(recipe.name, "a");
  EXPECT_EQ(recipe.train.lr_peak, 2.0);
  EXPECT_EQ(recipe.train.epochs, 3);
  EXPECT_THAT(config.files(), ElementsAre(path, folder_ / "sub/b.toml", folder_ / "a.toml"));
}

TEST_F(ConfigFilesTest, OverridesComeLast) {
  const fs::path path = write("r.toml", "train.epochs = 6");
  EXPECT_EQ(load(path, {"train.epochs=7"}).train.epochs, 7);
}

TEST_F(ConfigFilesTest, UnknownKeyInABaseNamesTheBase) {
  const fs::path base = write("base.toml", "\n[train]\nepohcs = 5\n");
  const fs::path path = write("r.toml", "base = \"base.toml\"\n[train]\namp = true");
  EXPECT_EQ(
      refusal<ConfigError>(path),
      fmt::format("[{}:3:1] unknown key 'train.epohcs'; did you mean 'epochs'?", base.string()));
}

TEST_F(ConfigFilesTest, CycleOfBasesIsRefused) {
  write("a.toml", "base = \"b.toml\"");
  write("b.toml", "base = \"sub/../c.toml\"");
  const fs::path path = write("c.toml", "base = \"a.toml\"");
  EXPECT_THAT(refusal<ConfigError>(path), HasSubstr("cycle"));
}

TEST_F(ConfigFilesTest, RecipeThatIsItsOwnBaseIsRefused) {
  const fs::path path = write("a.toml", "name = \"x\"\nbase = \"a.toml\"");
  EXPECT_THAT(refusal<ConfigError>(path), HasSubstr("a.toml:2:1] base: the recipes form a cycle"));
}

TEST_F(ConfigFilesTest, ChainOfSixteenBasesIsTheLongest) {
  write("0.toml", "name = \"end\"");
  for (int i = 1; i <= 17; ++i) {
    write(fmt::format("{}.toml", i), fmt::format("base = \"{}.toml\"", i - 1));
  }
  EXPECT_EQ(load(folder_ / "16.toml").name, "end");
  EXPECT_THAT(refusal<ConfigError>(folder_ / "17.toml"), HasSubstr("more than 16 bases"));
}

TEST_F(ConfigFilesTest, BaseMustBeAPath) {
  EXPECT_THAT(refusal<ConfigError>(write("a.toml", "base = 3")),
              HasSubstr("base: expected the path of a recipe, found integer 3"));
  EXPECT_THAT(refusal<ConfigError>(write("b.toml", "base = \"\"")), HasSubstr("expected the path"));
}

TEST_F(ConfigFilesTest, MissingFilesAreNamed) {
  EXPECT_THAT(refusal<IoError>(folder_ / "none.toml"), HasSubstr("No such file"));
  const fs::path path = write("a.toml", "base = \"none.toml\"");
  EXPECT_THAT(refusal<IoError>(path),
              EndsWith(fmt::format("it is the base named at {}:1:1", path.string())));
  EXPECT_THAT(refusal<IoError>(folder_ / "sub"), HasSubstr("found a folder"));
}

TEST_F(ConfigFilesTest, HugeFileIsRefused) {
  const fs::path path = write("a.toml", std::string(Config::kMaxBytes + 1, '#'));
  EXPECT_THAT(refusal<ConfigError>(path), HasSubstr("bytes at most"));
}

}  // namespace
}  // namespace conopa
