#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "conopa/image/codec.h"
#include "tests/app/command_run.h"

namespace conopa {
namespace {

using testing::CommandResult;
using ::testing::HasSubstr;
using testing::run_command;
using testing::TempDir;
using testing::write_png;
using Json = nlohmann::json;

/// A small model of 8x8 pixels, 2x2 patches and a class token, and three pictures.
class AnalyzeFeaturesTest : public ::testing::Test {
 protected:
  AnalyzeFeaturesTest() {
    testing::write_small_model(model_, {});
    for (int i = 0; i < 3; ++i) write_png(dir_ / ("p/" + std::to_string(i) + ".png"), i);
  }

  [[nodiscard]] CommandResult analyze(std::vector<std::string> words) const {
    words.insert(words.begin(), {"analyze", "features", model_, dir_ / "p", "--precision", "fp32"});
    return run_command(words);
  }

  TempDir dir_;
  std::string model_ = dir_ / "m";
  std::string out_ = dir_ / "out";
};

TEST_F(AnalyzeFeaturesTest, WritesAPairPerImageAndAGrid) {
  const CommandResult result = analyze({"--out", out_, "--json"});

  ASSERT_EQ(result.code, 0) << result.error;
  const Json json = Json::parse(result.out);
  EXPECT_EQ(json["layer"], "final_norm");
  EXPECT_EQ(json["rows"], 2);  // the class token is left out
  EXPECT_EQ(json["cols"], 2);
  double sum = 0.0;
  for (const Json& share : json["variance_shares"]) sum += share.get<double>();
  EXPECT_GT(sum, 0.3);  // of 16 directions at most 11 vary
  EXPECT_LE(sum, 1.0 + 1e-9);
  for (const char* name : {"0000-0.png", "0001-1.png", "0002-2.png"}) {
    const image::Image pair = image::decode_file(out_ + "/" + name);
    EXPECT_EQ(pair.width, 18) << name;
    EXPECT_EQ(pair.height, 8) << name;
    // Patches of 4x4 have one colour each.
    EXPECT_EQ(std::vector<std::uint8_t>(pair.row(0) + 10 * 4, pair.row(0) + 11 * 4),
              std::vector<std::uint8_t>(pair.row(3) + 13 * 4, pair.row(3) + 14 * 4));
  }
  EXPECT_EQ(image::decode_file(out_ + "/grid.png").width, 3 * 18 + 2 * 6);
}

TEST_F(AnalyzeFeaturesTest, ShowsTheLayerThatIsAskedFor) {
  ASSERT_EQ(analyze({"--out", out_}).code, 0);
  const CommandResult first = analyze({"--out", dir_ / "in", "--layer", "tokens_in", "--json"});
  ASSERT_EQ(first.code, 0) << first.error;
  EXPECT_EQ(Json::parse(first.out)["layer"], "tokens_in");
  EXPECT_NE(testing::read_plain(out_ + "/grid.png"), testing::read_plain(dir_ / "in/grid.png"));
}

TEST_F(AnalyzeFeaturesTest, ListsTheLayersIfTheNameIsWrong) {
  const CommandResult result = analyze({"--out", out_, "--layer", "blok0"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.error, HasSubstr("final, tokens_in, block0_out, final_norm"));
  EXPECT_THAT(analyze({"--out", out_, "--layer", "1"}).error, HasSubstr("from 0 to 0"));
}

TEST_F(AnalyzeFeaturesTest, RefusesFoldersWithContentAndMissingImages) {
  EXPECT_THAT(analyze({"--out", dir_ / "p"}).error, HasSubstr("--force"));
  const CommandResult missing =
      run_command({"analyze", "features", model_, dir_ / "none.png", "--out", out_});
  EXPECT_EQ(missing.code, 3);
  EXPECT_THAT(missing.error, HasSubstr("none.png"));
  EXPECT_EQ(analyze({"--out", dir_ / "p/0.png/out"}).code, 3);
  EXPECT_EQ(run_command({"analyze"}).code, 2);
}

TEST_F(AnalyzeFeaturesTest, CompletionKnowsTheInnerCommand) {
  const CommandResult script = run_command({"completion", "bash"});
  EXPECT_THAT(script.out,
              ::testing::ContainsRegex("analyze\\) words=\"[^\"]*features [^\"]*--layer"));
}

}  // namespace
}  // namespace conopa
