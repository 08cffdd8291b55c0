#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/conopa/model_store.h"
#include "apps/conopa/quantize_measure.h"
#include "conopa/io/safetensors.h"
#include "tests/app/command_run.h"

namespace conopa::app {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::CommandResult;
using ::testing::HasSubstr;
using testing::run_command;
using testing::TempDir;

/// A dataset of three classes, five images each, in train/ and val/.
void write_dataset(const fs::path& path) {
  int seed = 0;
  for (const char* split : {"train", "val"}) {
    for (const char* name : {"a", "b", "c"}) {
      fs::create_directories(path / split / name);
      for (int i = 0; i < 5; ++i) {
        testing::write_png(path / split / name / (std::to_string(i) + ".png"), ++seed);
      }
    }
  }
}

CommandResult quantize(const TempDir& folder, const std::string& form,
                       std::vector<std::string> more = {}) {
  std::vector<std::string> words{"quantize", (folder / "m").string(),   "--to",      form,
                                 "--out",    (folder / "out").string(), "--threads", "2"};
  words.insert(words.end(), more.begin(), more.end());
  return run_command(words);
}

TEST(QuantizeTest, WritesAFolderThatReadsAsAModel) {
  const TempDir folder;
  testing::write_small_model(folder / "m", {"a", "b", "c"});
  const CommandResult result = quantize(folder, "int8", {"--json"});
  ASSERT_EQ(result.code, 0) << result.error;
  const json found = json::parse(result.out);
  EXPECT_EQ(found["format"], "int8");
  EXPECT_EQ(found["precision"], "int8");
  EXPECT_EQ(found["measured_on"], "32 images of random noise");
  EXPECT_LT(found["bytes_after"], found["bytes_before"]);
  EXPECT_LT(found["relative_error"], 0.1);
  EXPECT_FALSE(found.contains("top1"));

  const StoredModel model = open_model(folder / "out");
  EXPECT_NO_THROW(check_weights(model));
  EXPECT_EQ(model.weights->quant_form(), QuantForm::kInt8);
  EXPECT_EQ(model.class_names, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(SafetensorsFile::open(folder / "out/model.safetensors")->metadata().at("weight_format"),
            "int8");
}

TEST(QuantizeTest, CalibrationComparesVariantsAndTheCardSaysHow) {
  const TempDir folder;
  testing::write_small_model(folder / "m", {"a", "b", "c"});
  write_dataset(folder / "data");
  const std::string data = (folder / "data").string();
  const CommandResult result =
      quantize(folder, "int8", {"--json", "--calibrate", data, "--images", "6", "--eval", data});
  ASSERT_EQ(result.code, 0) << result.error;
  const json found = json::parse(result.out);
  EXPECT_EQ(found["calibrated_on"], "6 images of data (train)");
  EXPECT_EQ(found["measured_on"], "15 images of data (val)");
  EXPECT_EQ(found["images"], 15);
  EXPECT_TRUE(found["top1"].contains("before"));
  ASSERT_GT(found["trials"].size(), 3U);
  for (const auto& [name, error] : found["trials"].items()) {
    EXPECT_GE(error, found["trials"][found["chosen"].get<std::string>()]) << name;
  }
  const std::string card = testing::read_plain(folder / "out/README.md");
  EXPECT_THAT(card, HasSubstr("Calibrated on 6 images of data (train)"));
  EXPECT_THAT(card, HasSubstr("Top-1 accuracy before, in fp32"));
  EXPECT_THAT(card, HasSubstr("times smaller"));
}

TEST(QuantizeTest, CalibrationImagesWithLabelsGiveAccuraciesToo) {
  const TempDir folder;
  testing::write_small_model(folder / "m", {});
  write_dataset(folder / "data");
  const CommandResult result =
      quantize(folder, "int8", {"--json", "--calibrate", (folder / "data").string()});
  ASSERT_EQ(result.code, 0) << result.error;
  const json found = json::parse(result.out);
  EXPECT_EQ(found["measured_on"], "15 images of data (train)");
  EXPECT_TRUE(found.contains("top1"));
}

TEST(QuantizeTest, RefusesWhatCannotBeQuantised) {
  const TempDir folder;
  testing::write_small_model(folder / "m", {});
  ASSERT_EQ(quantize(folder, "int8").code, 0);
  EXPECT_THAT(quantize(folder, "int8").error, HasSubstr("--force"));
  EXPECT_EQ(quantize(folder, "int8", {"--force"}).code, 0);

  const CommandResult twice = run_command({"quantize", (folder / "out").string(), "--to", "int8",
                                           "--out", (folder / "again").string()});
  EXPECT_EQ(twice.code, 3);
  EXPECT_THAT(twice.error, HasSubstr("quantise the float model"));

  EXPECT_EQ(quantize(folder, "int4", {"--force"}).code, 2);
  EXPECT_EQ(quantize(folder, "int8", {"--force", "--eval", "/nowhere"}).code, 3);
}

TEST(QuantizeTest, StreamingWritesTheSameBytes) {
  const TempDir folder;
  testing::write_small_model(folder / "m", {"a", "b", "c"});
  for (const char* form : {"int8", "q8_0", "q4_0"}) {
    const CommandResult measured = quantize(folder, form, {"--force"});
    ASSERT_EQ(measured.code, 0) << measured.error;
    const std::string weights = testing::read_plain(folder / "out/model.safetensors");
    const std::string config = testing::read_plain(folder / "out/config.json");
    const CommandResult streamed = quantize(folder, form, {"--force", "--no-measure", "--json"});
    ASSERT_EQ(streamed.code, 0) << streamed.error;
    EXPECT_TRUE(testing::read_plain(folder / "out/model.safetensors") == weights) << form;
    EXPECT_EQ(testing::read_plain(folder / "out/config.json"), config);
    const json found = json::parse(streamed.out);
    EXPECT_FALSE(found.contains("measured_on"));
    EXPECT_LT(found["bytes_after"], found["bytes_before"]);
    EXPECT_THAT(measured.out, HasSubstr("agreement"));
    EXPECT_THAT(testing::read_plain(folder / "out/README.md"), HasSubstr("was not measured"));
  }
}

TEST(QuantizeTest, CalibratesWithoutMeasuring) {
  const TempDir folder;
  testing::write_small_model(folder / "m", {});
  write_dataset(folder / "data");
  const CommandResult result = quantize(
      folder, "int8", {"--json", "--no-measure", "--calibrate", (folder / "data").string()});
  ASSERT_EQ(result.code, 0) << result.error;
  const json found = json::parse(result.out);
  EXPECT_TRUE(found.contains("chosen"));
  EXPECT_FALSE(found.contains("measured_on"));
  const CommandResult both =
      quantize(folder, "int8", {"--force", "--no-measure", "--eval", (folder / "data").string()});
  EXPECT_EQ(both.code, 2);
}

TEST(QuantizeTest, ValuesThatAreNotFiniteLeaveNoFolder) {
  const TempDir folder;
  testing::write_small_model(folder / "m", {});
  StoredModel broken = open_model(folder / "m");
  NewModel model{.spec = broken.spec,
                 .transform = broken.transform,
                 .class_names = {},
                 .tensors = {},
                 .readme = {}};
  for (const std::string& name : broken.weights->names()) {
    std::vector<float> values = broken.weights->read(name).to_f32();
    if (name == "blocks.0.mlp.down.weight") values.back() = std::nanf("");
    model.tensors.push_back(
        {name, HostTensor::of<float>(DType::kF32, broken.weights->info(name).shape,
                                     std::span<const float>(values))});
  }
  save_model(folder / "m", model, true);
  const CommandResult result = quantize(folder, "int8", {"--no-measure"});
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.error, HasSubstr("blocks.0.mlp.down.weight"));
  EXPECT_THAT(folder.names(), ::testing::ElementsAre("m"));
}

TEST(QuantizeTest, RefusesBlockFormsOfModelsThatAreNarrowerThanABlock) {
  const TempDir folder;
  NewModel model{.spec = testing::small_spec(),
                 .transform = {},
                 .class_names = {},
                 .tensors = {},
                 .readme = {}};
  model.spec.mlp_hidden = 40;
  model.spec.resolve();
  model.transform = default_transform(model.spec);
  const arch::TensorTable table(model.spec);
  for (const arch::TensorEntry& entry : table.entries()) {
    model.tensors.push_back({entry.name, HostTensor::zeros(DType::kF32, entry.shape)});
  }
  save_model(folder / "m", model, false);
  const CommandResult narrow = quantize(folder, "q4_0");
  EXPECT_EQ(narrow.code, 3);
  EXPECT_THAT(narrow.error, HasSubstr("multiples of 32"));
  EXPECT_FALSE(fs::exists(folder / "out"));
}

TEST(OutputDistanceTest, MeasuresAgainstTheSpreadOfTheExpectedOutputs) {
  OutputDistance distance;
  const std::vector<float> expected{1.0F, -1.0F, 3.0F, 1.0F};
  const std::vector<float> found{1.0F, -1.0F, 0.0F, 1.0F};
  distance.add(expected, found, 2);
  EXPECT_EQ(distance.images(), 2);
  EXPECT_DOUBLE_EQ(distance.same_top1(), 0.5);
  EXPECT_DOUBLE_EQ(distance.relative_error(), 1.5);  // root of 9 over (1+1+1+1)
  EXPECT_DOUBLE_EQ(distance.largest_error(), 3.0);
}

TEST(OutputDistanceTest, NotANumberIsInfinitelyFar) {
  OutputDistance distance;
  const std::vector<float> expected{1.0F, -1.0F};
  const std::vector<float> found{std::nanf(""), -1.0F};
  distance.add(expected, found, 2);
  EXPECT_TRUE(std::isinf(distance.relative_error()));
  EXPECT_TRUE(std::isinf(distance.largest_error()));
}

}  // namespace
}  // namespace conopa::app
