#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "apps/conopa/model_resize.h"
#include "apps/conopa/model_store.h"
#include "conopa/arch/init.h"
#include "conopa/core/error.h"
#include "tests/app/command_run.h"

namespace conopa {
namespace {

using app::InputSize;
using testing::CommandResult;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::read_plain;
using testing::run_command;
using testing::TempDir;
using Json = nlohmann::json;

TEST(InputSizesTest, ReadsSquaresAndHeightByWidth) {
  EXPECT_THAT(app::parse_input_sizes("160,224,288x320", "--sizes"),
              ElementsAre(InputSize{160, 160}, InputSize{224, 224}, InputSize{288, 320}));
}

TEST(InputSizesTest, RefusesNonsenseAndDuplicates) {
  for (const char* text : {"", ",", "8,", ",8", "8,,16", "0", "-8", "8x", "x8", "8x8x8", "8 ,16",
                           "8.5", "1e2", "9000", "8x99999999999999999999"}) {
    EXPECT_THROW((void)app::parse_input_sizes(text, "--sizes"), UsageError) << text;
  }
  try {
    (void)app::parse_input_sizes("8,16,8x8", "--sizes");
    FAIL() << "a size given twice";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("8x8 twice"));
  }
}

TEST(ResizedTransformTest, KeepsTheRulesAndScalesAStatedResize) {
  arch::EncoderSpec from = testing::small_spec();
  image::EvalTransformOptions transform = app::default_transform(from);
  transform.crop_pct = 0.9;
  transform.interpolation = image::Interpolation::kBilinear;
  transform.resize_short = 12;

  const arch::EncoderSpec to = app::resized_spec(from, {16, 24}, "--sizes");
  const image::EvalTransformOptions out = app::resized_transform(transform, from, to);

  EXPECT_EQ(out.height, 16);
  EXPECT_EQ(out.width, 24);
  EXPECT_EQ(out.resize_short, 24);
  EXPECT_EQ(out.crop_pct, 0.9);
  EXPECT_EQ(out.interpolation, image::Interpolation::kBilinear);
}

TEST(ResizedSpecTest, ErrorsNameOptionAndSize) {
  for (const InputSize size : {InputSize{10, 8}, InputSize{2, 8}}) {  // no multiple, below a patch
    try {
      (void)app::resized_spec(testing::small_spec(), size, "--sizes");
      FAIL() << to_string(size);
    } catch (const ConfigError& error) {
      EXPECT_THAT(error.what(), HasSubstr("[--sizes " + to_string(size) + "] "));
      EXPECT_THAT(error.what(), HasSubstr("patch 4"));
    }
  }
}

/// A small model and twelve pictures of three classes.
class EvalCommandTest : public ::testing::Test {
 protected:
  EvalCommandTest() {
    testing::write_small_model(model_, {"ant", "bee", "cat"});
    const std::vector<std::string> names{"ant", "bee", "cat"};
    for (int i = 0; i < 12; ++i) {
      const std::string& name = names[static_cast<std::size_t>(i) % 3];
      testing::write_png(dir_ / "d/val" / name / (std::to_string(i) + ".png"), i);
    }
  }
  CommandResult eval(std::vector<std::string> more) {
    std::vector<std::string> words{"eval", model_, "--data", dir_ / "d", "--threads", "1"};
    words.insert(words.end(), more.begin(), more.end());
    return run_command(words);
  }
  /// The numbers of a size that do not depend on the machine's speed.
  static Json accuracy_of(const Json& row) {
    return {row.at("top1"), row.at("top5"), row.at("loss"), row.at("ece")};
  }

  TempDir dir_;
  std::string model_ = dir_ / "m";
};

TEST_F(EvalCommandTest, PrintsClassesAndConfusions) {
  const CommandResult result = eval({});

  ASSERT_EQ(result.code, 0) << result.error;
  EXPECT_THAT(result.out, HasSubstr("images  12\n"));
  EXPECT_THAT(result.out, HasSubstr("most frequent confusions"));
  const CommandResult json = eval({"--json"});
  EXPECT_EQ(Json::parse(json.out)["samples"], 12);
}

TEST_F(EvalCommandTest, LimitKeepsThatManyImages) {
  EXPECT_EQ(Json::parse(eval({"--json", "--limit", "6"}).out)["samples"], 6);
  EXPECT_EQ(Json::parse(eval({"--json", "--limit", "6", "--sizes", "8"}).out)[0]["images"], 6);
}

TEST_F(EvalCommandTest, SizesGiveARowEachInTheirOrder) {
  const CommandResult result = eval({"--sizes", "16,8,8x12"});

  ASSERT_EQ(result.code, 0) << result.error;
  std::istringstream in(result.out);
  std::vector<std::string> first;
  for (std::string line; std::getline(in, line);) first.push_back(line.substr(0, line.find(' ')));
  EXPECT_THAT(first, ElementsAre("size", "16x16", "8x8", "8x12"));
}

TEST_F(EvalCommandTest, JsonHoldsTokensAndTheOwnSizeAgreesWithThePlainCommand) {
  const CommandResult result = eval({"--sizes", "8,16", "--json"});

  ASSERT_EQ(result.code, 0) << result.error;
  const Json rows = Json::parse(result.out);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0]["tokens"], 5);  // 2x2 patches and the class token
  EXPECT_EQ(rows[1]["tokens"], 17);
  EXPECT_GT(rows[1]["gmacs"].get<double>(), 3 * rows[0]["gmacs"].get<double>());
  EXPECT_EQ(rows[0]["images"], 12);
  EXPECT_GT(rows[0]["images_per_second"].get<double>(), 0.0);
  const Json plain = Json::parse(eval({"--json"}).out);
  EXPECT_EQ(rows[0]["top1"], plain["top1"]);
  EXPECT_EQ(rows[0]["loss"], plain["loss"]);
  EXPECT_NE(rows[1]["loss"], plain["loss"]);
}

TEST_F(EvalCommandTest, ALearnedEmbeddingIsResizedAsTheResizeCommandDoes) {
  ASSERT_EQ(run_command({"resize", model_, "--size", "16x12", "--out", dir_ / "r"}).code, 0);

  const CommandResult here = eval({"--sizes", "16x12", "--json"});
  const CommandResult there = run_command(
      {"eval", dir_ / "r", "--data", dir_ / "d", "--threads", "1", "--sizes", "16x12", "--json"});

  ASSERT_EQ(here.code, 0) << here.error;
  ASSERT_EQ(there.code, 0) << there.error;
  EXPECT_EQ(accuracy_of(Json::parse(here.out)[0]), accuracy_of(Json::parse(there.out)[0]));
}

TEST_F(EvalCommandTest, AModelWithoutEmbeddingRunsAtAnySize) {
  arch::EncoderSpec spec = testing::small_spec();
  spec.position = arch::Position::kNone;
  app::NewModel bare{.spec = spec,
                     .transform = app::default_transform(spec),
                     .class_names = {"ant", "bee", "cat"},
                     .tensors = {},
                     .readme = "# bare\n"};
  const arch::TensorTable table(spec);
  for (const arch::TensorEntry& entry : table.entries()) {
    bare.tensors.push_back({entry.name, arch::initial_tensor(entry, 1)});
  }
  app::save_model(dir_ / "bare", bare, false);

  const CommandResult result = run_command({"eval", dir_ / "bare", "--data", dir_ / "d",
                                            "--threads", "1", "--sizes", "4,8,20x16", "--json"});

  ASSERT_EQ(result.code, 0) << result.error;
  EXPECT_EQ(Json::parse(result.out)[2]["tokens"], 21);
}

TEST_F(EvalCommandTest, SettingsChangeTheEvaluatedModel) {
  const Json own = Json::parse(eval({"--sizes", "16", "--json"}).out);

  const CommandResult changed =
      eval({"--sizes", "16", "--json", "--set", "rotary=none", "--set", "position=none"});

  ASSERT_EQ(changed.code, 0) << changed.error;
  EXPECT_NE(Json::parse(changed.out)[0]["loss"], own[0]["loss"]);
  EXPECT_EQ(eval({"--sizes", "16", "--set", "rope_theta=10000.0", "--json"}).code, 0);
}

TEST_F(EvalCommandTest, RefusesWrongSettings) {
  EXPECT_THAT(eval({"--set", "rope_teta=100"}).error, HasSubstr("did you mean 'rope_theta'"));
  EXPECT_THAT(eval({"--set", "height=16"}).error, HasSubstr("--sizes"));
  EXPECT_THAT(eval({"--set", "mask_rate=3"}).error, HasSubstr("mask_rate"));
  EXPECT_EQ(eval({"--set", "rope_teta=100"}).code, 2);
  EXPECT_EQ(eval({"--set", "dim=32"}).code, 3);  // the weights do not fit
}

TEST_F(EvalCommandTest, RefusesSizesBeforeAnythingIsMeasured) {
  const CommandResult result = eval({"--sizes", "8,16,18", "--csv", dir_ / "s.csv"});

  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.error, HasSubstr("[--sizes 18x18]"));
  EXPECT_EQ(result.out, "");
  EXPECT_FALSE(std::filesystem::exists(dir_ / "s.csv"));
  EXPECT_EQ(eval({"--sizes", "8,8"}).code, 2);
  EXPECT_EQ(eval({"--sizes", ""}).code, 2);
  EXPECT_EQ(eval({"--csv", dir_ / "s.csv"}).code, 2);  // a table of sizes needs sizes
}

TEST_F(EvalCommandTest, CsvEqualsJson) {
  const CommandResult result = eval({"--sizes", "8,16x12", "--csv", dir_ / "s.csv", "--json"});

  ASSERT_EQ(result.code, 0) << result.error;
  const Json rows = Json::parse(result.out);
  std::istringstream in(read_plain(dir_ / "s.csv"));
  std::string line;
  ASSERT_TRUE(std::getline(in, line));
  EXPECT_EQ(line, "size,height,width,tokens,gmacs,images,top1,top5,loss,ece,images_per_second");
  for (const Json& row : rows) {
    ASSERT_TRUE(std::getline(in, line));
    std::vector<std::string> cells;
    std::istringstream cut(line);
    for (std::string cell; std::getline(cut, cell, ',');) cells.push_back(cell);
    ASSERT_EQ(cells.size(), 11U);
    EXPECT_EQ(cells[0], row["size"]);
    EXPECT_EQ(cells[3], std::to_string(row["tokens"].get<int>()));
    EXPECT_DOUBLE_EQ(std::stod(cells[6]), row["top1"].get<double>());
    EXPECT_DOUBLE_EQ(std::stod(cells[8]), row["loss"].get<double>());
  }
  EXPECT_FALSE(std::getline(in, line));
}

TEST_F(EvalCommandTest, ReportShowsChartsTableAndSettings) {
  const std::string file = dir_ / "sizes.html";
  const CommandResult result = eval({"--sizes", "16,8,12x16", "--set", "rope_theta=500.0",  //
                                     "--report", file});

  ASSERT_EQ(result.code, 0) << result.error;
  const std::string html = read_plain(file);
  for (const char* part :
       {"Accuracy by input size", "Loss by input size", "top-1, oblong",
        "<th scope=\"row\">12x16</th>", "<th scope=\"row\">rope_theta</th><td>500.0</td>",
        "Changed values", "<th scope=\"row\">trained at</th><td>8x8</td>"}) {
    EXPECT_THAT(html, HasSubstr(part));
  }
}

TEST_F(EvalCommandTest, ReportOfOneSizeShowsSamples) {
  const std::string file = dir_ / "one.html";
  const CommandResult result = eval({"--report", file});

  ASSERT_EQ(result.code, 0) << result.error;
  EXPECT_THAT(read_plain(file), HasSubstr("<section id=\"samples\">"));
  EXPECT_THAT(read_plain(file), ::testing::Not(HasSubstr("Changed values")));
}

TEST_F(EvalCommandTest, RefusesDataOfMoreClasses) {
  testing::write_png(dir_ / "d/val/dog/x.png", 1);

  testing::write_small_model(dir_ / "nameless", {});

  const CommandResult result =
      run_command({"eval", dir_ / "nameless", "--data", dir_ / "d", "--sizes", "8"});

  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.error, HasSubstr("trained on other data"));
}

}  // namespace
}  // namespace conopa
