#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "apps/conopa/image_inputs.h"
#include "conopa/core/error.h"
#include "tests/app/command_run.h"

namespace conopa {
namespace {

using testing::CommandResult;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::run_command;
using ::testing::SizeIs;
using testing::TempDir;
using testing::write_plain;
using testing::write_png;
using Json = nlohmann::json;

std::vector<std::string> names_of(const std::vector<app::ImageInput>& inputs) {
  std::vector<std::string> out;
  for (const app::ImageInput& input : inputs) out.push_back(input.name);
  return out;
}

TEST(CollectImagesTest, SortsFoldersAndLeavesOutOtherFiles) {
  const TempDir dir;
  for (const char* name : {"d/b.png", "d/a/z.JPG", "d/.hidden/x.png", "d/.x.png", "d/notes.txt"}) {
    std::filesystem::create_directories((dir / name).parent_path());
    write_plain(dir / name, "");
  }
  std::istringstream none;

  const auto inputs = app::collect_images({"first.png", dir / "d"}, {}, none);

  EXPECT_THAT(names_of(inputs), ElementsAre("first.png", dir / "d/a/z.JPG", dir / "d/b.png"));
}

TEST(CollectImagesTest, ReadsLists) {
  const TempDir dir;
  write_plain(dir / "list.txt", "a.png\r\n\nb c.png");
  std::istringstream in("x.png\ny.png\n");

  const auto inputs = app::collect_images({dir / "list.txt", "-"}, {.lists = true}, in);

  EXPECT_THAT(names_of(inputs), ElementsAre("a.png", "b c.png", "x.png", "y.png"));
}

TEST(CollectImagesTest, RefusesWhatHoldsNoImages) {
  const TempDir dir;
  std::istringstream none;
  write_plain(dir / "list.txt", "\n");

  EXPECT_THROW((void)app::collect_images({dir.path()}, {}, none), FormatError);
  EXPECT_THROW((void)app::collect_images({dir / "list.txt"}, {.lists = true}, none), FormatError);
  EXPECT_THROW((void)app::collect_images({dir / "absent"}, {.lists = true}, none), IoError);
  EXPECT_THROW((void)app::collect_images({"-", "-"}, {}, none), UsageError);
}

std::vector<Json> json_lines(const std::string& text) {
  std::vector<Json> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(Json::parse(line));
  return out;
}

/// A small model with three named classes and a few pictures.
class PredictCommandTest : public ::testing::Test {
 protected:
  PredictCommandTest() {
    testing::write_small_model(model_, {"ant", "bee", "cat"});
    for (int i = 0; i < 5; ++i) write_png(dir_ / ("p/" + std::to_string(i) + ".png"), i);
    write_plain(dir_ / "broken.png", "\x89PNG\r\n\x1a\n and no more");
  }

  TempDir dir_;
  std::string model_ = dir_ / "m";
  std::string first_ = dir_ / "p/0.png";
};

TEST_F(PredictCommandTest, PrintsATable) {
  const CommandResult result = run_command({"predict", model_, first_, "--top", "2"});

  ASSERT_EQ(result.code, 0) << result.error;
  std::istringstream in(result.out);
  std::string line;
  ASSERT_TRUE(std::getline(in, line));
  EXPECT_EQ(line, first_);
  int rows = 0;
  while (std::getline(in, line)) {
    EXPECT_THAT(line, ::testing::ContainsRegex("^ +[0-9]+\\.[0-9]+ % +[012]  (ant|bee|cat)$"));
    ++rows;
  }
  EXPECT_EQ(rows, 2);
}

TEST_F(PredictCommandTest, PrintsJsonLines) {
  const CommandResult result = run_command({"predict", model_, dir_ / "p", "--json"});

  ASSERT_EQ(result.code, 0) << result.error;
  const std::vector<Json> lines = json_lines(result.out);
  ASSERT_THAT(lines, SizeIs(5));
  for (std::size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(lines[i]["file"], (dir_ / ("p/" + std::to_string(i) + ".png")).string());
    double sum = 0.0;
    for (const Json& p : lines[i]["predictions"]) {
      sum += p["probability"].get<double>();
      const std::vector<std::string> names{"ant", "bee", "cat"};
      EXPECT_EQ(p["class"], names.at(p["index"].get<std::size_t>()));
    }
    EXPECT_NEAR(sum, 1.0, 1e-9);
  }
  EXPECT_NE(lines[0]["predictions"], lines[1]["predictions"]);
}

TEST_F(PredictCommandTest, BatchSizeDoesNotMatter) {
  const std::vector<Json> one =
      json_lines(run_command({"predict", model_, dir_ / "p", "--json", "--batch", "1"}).out);
  const std::vector<Json> four =
      json_lines(run_command({"predict", model_, dir_ / "p", "--json", "--batch", "4"}).out);

  ASSERT_EQ(one.size(), four.size());
  for (std::size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(one[i]["file"], four[i]["file"]);
    EXPECT_NEAR(one[i]["predictions"][0]["probability"].get<double>(),
                four[i]["predictions"][0]["probability"].get<double>(), 1e-6);
  }
}

TEST_F(PredictCommandTest, ReadsAnImageOrAListFromStandardInput) {
  const Json expected = Json::parse(run_command({"predict", model_, first_, "--json"}).out);

  const CommandResult image =
      run_command({"predict", model_, "-", "--json"}, testing::read_plain(first_));
  const CommandResult list =
      run_command({"predict", model_, "--list", "-", "--json"}, first_ + "\n");

  ASSERT_EQ(image.code, 0) << image.error;
  EXPECT_EQ(Json::parse(image.out)["predictions"], expected["predictions"]);
  EXPECT_EQ(Json::parse(image.out)["file"], "-");
  EXPECT_EQ(Json::parse(list.out), expected);
  EXPECT_EQ(run_command({"predict", model_, "-"}, "").code, 3);
}

TEST_F(PredictCommandTest, BrokenImagesStopOrAreSkipped) {
  const std::string last = dir_ / "p/4.png";

  const CommandResult stop = run_command({"predict", model_, dir_ / "broken.png", first_});
  const CommandResult skip =
      run_command({"predict", model_, first_, dir_ / "broken.png", dir_ / "absent.png", last,
                   "--on-error", "skip", "--json"});
  const CommandResult none =
      run_command({"predict", model_, dir_ / "broken.png", "--on-error", "skip"});

  EXPECT_EQ(stop.code, 3);
  EXPECT_THAT(stop.error, HasSubstr("broken.png"));
  EXPECT_EQ(skip.code, 0);
  const std::vector<Json> lines = json_lines(skip.out);
  ASSERT_THAT(lines, SizeIs(2));
  // The image behind the gap must not get the gap's pixels.
  EXPECT_EQ(lines[1], Json::parse(run_command({"predict", model_, last, "--json"}).out));
  EXPECT_THAT(skip.log, HasSubstr("broken.png"));
  EXPECT_THAT(skip.log, HasSubstr("2 of 4 images were skipped"));
  EXPECT_EQ(none.code, 3);
}

TEST_F(PredictCommandTest, Bf16StaysCloseToFp32) {
  const Json exact = Json::parse(run_command({"predict", model_, first_, "--json"}).out);
  const Json rounded =
      Json::parse(run_command({"predict", model_, first_, "--json", "--precision", "bf16"}).out);

  EXPECT_NEAR(exact["predictions"][0]["probability"].get<double>(),
              rounded["predictions"][0]["probability"].get<double>(), 0.02);
}

TEST_F(PredictCommandTest, ExplainsWrongUse) {
  EXPECT_EQ(run_command({"predict", model_}).code, 2);
  EXPECT_EQ(run_command({"predict", model_, first_, "--top", "0"}).code, 2);
  EXPECT_EQ(run_command({"predict", model_, first_, "--precision", "fp8"}).code, 2);
  EXPECT_EQ(run_command({"predict", dir_ / "absent", first_}).code, 3);
  write_plain(dir_ / "m/model.safetensors", "garbage");
  EXPECT_EQ(run_command({"predict", model_, first_}).code, 3);
}

}  // namespace
}  // namespace conopa
