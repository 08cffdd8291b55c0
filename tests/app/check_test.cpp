#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "apps/conopa/layer_errors.h"
#include "conopa/core/error.h"
#include "tests/app/command_run.h"
#include "tests/engine/random_model.h"

namespace conopa {
namespace {

using app::LayerErrors;
using app::LayerValues;
using testing::CommandResult;
using ::testing::HasSubstr;
using testing::run_command;
using testing::TempDir;
using Json = nlohmann::json;

std::vector<LayerValues> layers(std::vector<float> block, std::vector<float> logits) {
  return {{.name = "block0_out", .shape = {1, 1, 2}, .values = std::move(block)},
          {.name = "logits", .shape = {1, 2}, .values = std::move(logits)}};
}

TEST(LayerErrorsTest, MeasuresAgainstTheLargestExpectedValue) {
  LayerErrors errors;
  errors.add(layers({1.0F, -3.0F}, {0.0F, 1.0F}), layers({1.0F, -4.0F}, {0.0F, 1.0F}));

  EXPECT_EQ(errors.rows()[0].max_abs, 1.0);
  EXPECT_EQ(errors.rows()[0].relative(), 0.25);
  EXPECT_NEAR(errors.rows()[0].cosine(), 13.0 / std::sqrt(10.0 * 17.0), 1e-12);
  EXPECT_EQ(errors.rows()[1].relative(), 0.0);
  EXPECT_EQ(errors.worst().name, "block0_out");
  EXPECT_EQ(errors.same_top1(), 1);
}

TEST(LayerErrorsTest, CountsOtherDecisionsAndKeepsTheLargestErrorOfAllBatches) {
  LayerErrors errors;
  errors.add(layers({1.0F, 2.0F}, {1.0F, 0.0F}), layers({1.0F, 1.5F}, {0.0F, 1.0F}));
  errors.add(layers({1.0F, 2.0F}, {1.0F, 0.0F}), layers({1.0F, 2.0F}, {1.0F, 0.0F}));

  EXPECT_EQ(errors.images(), 2);
  EXPECT_EQ(errors.same_top1(), 1);
  EXPECT_EQ(errors.rows()[0].max_abs, 0.5);
  EXPECT_EQ(errors.rows()[0].largest, 2.0);
}

TEST(LayerErrorsTest, NotANumberIsTheWorst) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  LayerErrors errors;
  errors.add(layers({1.0F, nan}, {9.0F, 0.0F}), layers({1.0F, 1.0F}, {1.0F, 0.0F}));

  EXPECT_EQ(errors.worst().name, "block0_out");
  EXPECT_FALSE(errors.worst().relative() <= 1e30);
}

TEST(LayerErrorsTest, RefusesOtherLayers) {
  LayerErrors errors;
  const std::vector<LayerValues> some = layers({1.0F, 1.0F}, {1.0F, 1.0F});

  EXPECT_THROW(errors.add(some, {some[0]}), CheckError);
  std::vector<LayerValues> other = some;
  other[1].shape = {2, 1};
  EXPECT_THROW(errors.add(some, other), CheckError);
}

class CheckCommandTest : public ::testing::Test {
 protected:
  CheckCommandTest() {
    testing::write_small_model(model_, {});
    for (int i = 0; i < 3; ++i) testing::write_png(dir_ / ("p/" + std::to_string(i) + ".png"), i);
  }
  [[nodiscard]] CommandResult check(std::vector<std::string> words) const {
    words.insert(words.begin(), {"check", model_});
    return run_command(words);
  }

  TempDir dir_;
  std::string model_ = dir_ / "m";
};

TEST_F(CheckCommandTest, EveryPrecisionPassesAgainstEverythingThereIs) {
#ifdef CONOPA_TRAIN
  const std::vector<std::string> all{"reference", "torch"};
#else
  const std::vector<std::string> all{"reference"};
#endif
  for (const std::string& against : all) {
    for (const char* precision : {"fp32", "bf16", "int8"}) {
      const CommandResult result = check({"--against", against, "--precision", precision});

      EXPECT_EQ(result.code, 0) << against << ' ' << precision << result.error << result.out;
      EXPECT_THAT(result.out, HasSubstr("block0_out"));
      EXPECT_THAT(result.out, HasSubstr("same top-1"));
    }
  }
}

TEST(CheckModelTest, ChecksAveragedBlocksAndTextTowers) {
  const TempDir dir;
  arch::EncoderSpec image = engine::small_spec();
  image.class_token = arch::ClassToken::kNone;
  image.position = arch::Position::kSinCosComputed;
  image.mask = arch::Mask::kPrefixCausal;
  image.read_out = arch::ReadOut::kAttention;
  image.read_blocks = {0};
  image.resolve();
  arch::EncoderSpec text = image;
  text.input = arch::Input::kTokens;
  text.vocabulary = 40;
  text.end_token = 39;
  text.height = text.patch = text.channels = 1;
  text.width = 6;
  text.position = arch::Position::kLearned;
  text.mask = arch::Mask::kCausal;
  text.read_out = arch::ReadOut::kEnd;
  text.read_blocks = {};
  text.num_classes = 0;
  text.projection = 9;
  text.resolve();
  engine::write_random_model(dir / "image", image);
  engine::write_random_model(dir / "text", text);
  const CommandResult images = run_command({"check", dir / "image", "--precision", "fp32"});
  EXPECT_EQ(images.code, 0) << images.error << images.out;
  EXPECT_THAT(images.out, HasSubstr("read_tokens"));
  EXPECT_THAT(images.out, ::testing::Not(HasSubstr("block1_out")));
  const CommandResult words = run_command({"check", dir / "text", "--precision", "fp32"});
  EXPECT_EQ(words.code, 0) << words.error << words.out;
  EXPECT_THAT(words.out, HasSubstr("logits"));
}

TEST_F(CheckCommandTest, JsonNamesLayersFromFirstToLast) {
  const CommandResult result =
      check({"--images", dir_ / "p", "--against", "reference", "--json", "--precision", "bf16"});

  ASSERT_EQ(result.code, 0) << result.error;
  const Json json = Json::parse(result.out);
  EXPECT_EQ(json["images"], 3);
  std::vector<std::string> names;
  for (const Json& row : json["layers"]) names.push_back(row["layer"]);
  EXPECT_THAT(
      names, ::testing::ElementsAre("tokens_in", "block0_out", "final_norm", "features", "logits"));
  EXPECT_TRUE(json["passed"]);
}

TEST_F(CheckCommandTest, FailsBeyondTheTolerance) {
  const CommandResult result =
      check({"--precision", "bf16", "--against", "reference", "--tolerance", "1e-9"});

  EXPECT_EQ(result.code, 4);
  EXPECT_THAT(result.error, HasSubstr("--tolerance"));
  EXPECT_THAT(result.out, HasSubstr("block0_out"));
}

TEST_F(CheckCommandTest, ExplainsWrongUse) {
  EXPECT_EQ(check({"--precision", "fp8"}).code, 2);
  EXPECT_EQ(check({"--random", "0"}).code, 2);
  EXPECT_EQ(check({"--random", "2", "--images", dir_ / "p"}).code, 2);
  EXPECT_EQ(check({"--images", dir_ / "absent.png"}).code, 3);
#ifndef CONOPA_TRAIN
  EXPECT_EQ(check({"--against", "torch"}).code, 3);
#endif
}

}  // namespace
}  // namespace conopa
