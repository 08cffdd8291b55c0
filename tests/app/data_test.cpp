#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/app/command_run.h"

namespace conopa {
namespace {

using testing::CommandResult;
using ::testing::HasSubstr;
using testing::run_command;
using ::testing::SizeIs;
using testing::TempDir;
using testing::write_plain;
using testing::write_png;
using Json = nlohmann::json;

/// Two classes of 12x10 pictures, two splits.
class DataCommandTest : public ::testing::Test {
 protected:
  DataCommandTest() {
    for (const char* name : {"train/ant/1.png", "train/ant/2.png", "train/bee/1.png",
                             "val/ant/1.png", "val/bee/1.png"}) {
      write_png(dir_ / (std::string("d/") + name), 3);
    }
  }

  TempDir dir_;
  std::string data_ = dir_ / "d";
};

TEST_F(DataCommandTest, SummarisesEverySplit) {
  const CommandResult result = run_command({"data", data_, "--json"});

  ASSERT_EQ(result.code, 0) << result.error;
  const Json splits = Json::parse(result.out)["splits"];
  ASSERT_THAT(splits, SizeIs(2));
  EXPECT_EQ(splits[0]["split"], "train");
  EXPECT_EQ(splits[0]["images"], 3);
  EXPECT_EQ(splits[0]["classes"],
            Json::parse(R"([{"name": "ant", "images": 2}, {"name": "bee", "images": 1}])"));
  EXPECT_EQ(splits[0]["width"]["median"], 12);
  EXPECT_EQ(splits[0]["height"]["max"], 10);
  EXPECT_THAT(splits[0]["mean"], SizeIs(3));
  EXPECT_EQ(splits[1]["split"], "val");
}

TEST_F(DataCommandTest, ListsBrokenFilesAndFails) {
  write_plain(dir_ / "d/val/bee/cut.png", "\x89PNG\r\n\x1a\n");

  const CommandResult text = run_command({"data", data_});
  const CommandResult json = run_command({"data", data_, "--json", "--split", "val"});

  EXPECT_EQ(text.code, 3);
  EXPECT_THAT(text.out, HasSubstr("3, 1 broken"));
  EXPECT_THAT(text.out, HasSubstr("cut.png"));
  EXPECT_EQ(json.code, 3);
  const Json split = Json::parse(json.out)["splits"].at(0);
  ASSERT_THAT(split["broken"], SizeIs(1));
  EXPECT_EQ(split["broken"][0]["file"], data_ + "/val/bee/cut.png");
  EXPECT_EQ(split["good"], 2);
}

TEST_F(DataCommandTest, ReadsTheDatasetOfARecipe) {
  write_plain(dir_ / "r.toml",
              "[train]\nepochs = 3\n[data]\npath = \"" + data_ + "\"\non_error = \"skip\"\n");
  write_plain(dir_ / "d/train/bee/cut.png", "");

  const CommandResult result = run_command({"data", "--config", dir_ / "r.toml", "--json"});

  EXPECT_EQ(result.code, 3) << result.error;  // the recipe's policy hides nothing here
  EXPECT_THAT(Json::parse(result.out)["splits"], SizeIs(2));
}

TEST_F(DataCommandTest, ShowsCaptionsAndTheirLengths) {
  write_plain(dir_ / "d/c.csv",
              "path,caption\ntrain/ant/1.png,\"an ant,\nbusy\"\nval/bee/1.png,una ñu\n");

  const CommandResult text = run_command({"data", data_ + "/c.csv"});
  const CommandResult json = run_command({"data", data_ + "/c.csv", "--json"});

  ASSERT_EQ(text.code, 0) << text.error;
  EXPECT_THAT(text.out, HasSubstr("(captions), split all"));
  EXPECT_THAT(text.out, HasSubstr("2, 6 to 12 characters, median 12, mean 9.0"));
  EXPECT_THAT(text.out, HasSubstr("    an ant, busy\n    una ñu\n"));
  EXPECT_THAT(text.out, ::testing::Not(HasSubstr("classes")));
  const Json captions = Json::parse(json.out)["splits"].at(0)["captions"];
  EXPECT_EQ(captions["characters"]["max"], 12);
  EXPECT_EQ(captions["first"][1], "una ñu");
}

TEST_F(DataCommandTest, ShowsTheSharesOfAMixture) {
  write_plain(dir_ / "d/c.csv", "path,caption\nval/bee/1.png,a bee\n");
  write_plain(dir_ / "r.toml", "[data]\nmixture = [\"" + data_ + "\", \"" + data_ +
                                   "/c.csv\"]\nmixture_weights = [3, 1]\nmixture_epoch = 8\n");

  const CommandResult text = run_command({"data", "--config", dir_ / "r.toml"});
  const CommandResult json = run_command({"data", "--config", dir_ / "r.toml", "--json"});

  ASSERT_EQ(text.code, 0) << text.error;
  EXPECT_THAT(text.out, HasSubstr("mixture   8 images an epoch"));
  EXPECT_THAT(text.out, HasSubstr("75.0 %  " + data_ + " (3 images, each 2.00 times an epoch)"));
  const Json train = Json::parse(json.out)["splits"].at(0);
  EXPECT_EQ(train["kind"], "mixture");
  EXPECT_EQ(train["images"], 4);
  EXPECT_EQ(train["mixture"]["sources"][1]["share"], 0.25);
  EXPECT_EQ(train["captions"]["captions"], 1);
  EXPECT_FALSE(Json::parse(json.out)["splits"].at(1).contains("mixture"));
}

TEST_F(DataCommandTest, ExplainsWrongUse) {
  write_plain(dir_ / "r.toml", "[data]\npaht = \"x\"\n");

  const CommandResult typo = run_command({"data", "--config", dir_ / "r.toml"});

  EXPECT_EQ(typo.code, 2);
  EXPECT_THAT(typo.error, HasSubstr("did you mean 'path'"));
  EXPECT_EQ(run_command({"data"}).code, 2);
  EXPECT_EQ(run_command({"data", data_, "--config", "x.toml"}).code, 2);
  EXPECT_EQ(run_command({"data", data_, "--kind", "video"}).code, 2);
  EXPECT_EQ(run_command({"data", dir_ / "absent"}).code, 3);
  EXPECT_EQ(run_command({"data", data_, "--split", "night"}).code, 3);
}

}  // namespace
}  // namespace conopa
