#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/conopa/model_store.h"
#include "conopa/arch/init.h"
#include "conopa/io/npz.h"
#include "conopa/io/safetensors.h"
#include "tests/app/command_run.h"

namespace conopa {
namespace {

using testing::CommandResult;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::run_command;
using testing::TempDir;
using testing::write_plain;
using testing::write_png;
using Json = nlohmann::json;

/// A small model with a class token and a few pictures.
class FeaturesCommandTest : public ::testing::Test {
 protected:
  FeaturesCommandTest() {
    testing::write_small_model(model_, {});
    for (int i = 0; i < 5; ++i) write_png(dir_ / ("p/" + std::to_string(i) + ".png"), i);
  }

  [[nodiscard]] CommandResult features(std::vector<std::string> words) const {
    words.insert(words.begin(), {"features", model_, dir_ / "p", "--precision", "fp32"});
    return run_command(words);
  }
  [[nodiscard]] std::vector<float> read(const std::string& out, const std::string& name) const {
    return SafetensorsFile::open(out)->read(name).to_f32();
  }

  TempDir dir_;
  std::string model_ = dir_ / "m";
};

TEST_F(FeaturesCommandTest, WritesTheInputOfTheHeadWithNames) {
  const std::string out = dir_ / "f.safetensors";

  const CommandResult result = features({"--out", out, "--batch", "2"});

  ASSERT_EQ(result.code, 0) << result.error;
  const auto file = SafetensorsFile::open(out);
  EXPECT_THAT(file->info("features").shape, ElementsAre(5, 16));
  const Json names = Json::parse(file->metadata().at("names"));
  ASSERT_EQ(names.size(), 5U);
  EXPECT_EQ(names[3], (dir_ / "p/3.png").string());
}

TEST_F(FeaturesCommandTest, BothFormatsHoldTheSameNumbers) {
  ASSERT_EQ(features({"--out", dir_ / "f.safetensors"}).code, 0);
  ASSERT_EQ(features({"--out", dir_ / "f.npz"}).code, 0);

  const auto npz = NumpyFile::open(dir_ / "f.npz");

  EXPECT_THAT(npz->info("features").shape, ElementsAre(5, 16));
  EXPECT_EQ(npz->read("features").to_f32(), read(dir_ / "f.safetensors", "features"));
}

TEST_F(FeaturesCommandTest, PooledIsTheTokenThatTheHeadReads) {
  ASSERT_EQ(features({"--out", dir_ / "t.safetensors", "--kind", "tokens"}).code, 0);
  ASSERT_EQ(features({"--out", dir_ / "f.safetensors"}).code, 0);

  const std::vector<float> tokens = read(dir_ / "t.safetensors", "tokens");  // [5, 5, 16]
  const std::vector<float> pooled = read(dir_ / "f.safetensors", "features");

  ASSERT_EQ(tokens.size(), 5U * 5 * 16);
  const auto place = static_cast<std::size_t>(testing::small_spec().class_token_index());
  for (std::size_t image = 0; image < 5; ++image) {
    for (std::size_t c = 0; c < 16; ++c) {
      EXPECT_NEAR(pooled[image * 16 + c], tokens[(image * 5 + place) * 16 + c], 1e-5F);
    }
  }
}

TEST_F(FeaturesCommandTest, PooledOfAMeanModelIsTheMean) {
  arch::EncoderSpec spec = testing::small_spec();
  spec.class_token = arch::ClassToken::kNone;
  spec.read_out = arch::ReadOut::kMean;
  spec.resolve();
  app::NewModel mean{.spec = spec,
                     .transform = app::default_transform(spec),
                     .class_names = {},
                     .tensors = {},
                     .readme = "# m\n"};
  const arch::TensorTable table(spec);
  for (const arch::TensorEntry& entry : table.entries()) {
    mean.tensors.push_back({entry.name, arch::initial_tensor(entry, 1)});
  }
  app::save_model(model_, mean, true);
  ASSERT_EQ(features({"--out", dir_ / "t.safetensors", "--kind", "tokens", "--layer", "0"}).code,
            0);
  ASSERT_EQ(features({"--out", dir_ / "f.safetensors", "--layer", "block0_out"}).code, 0);

  const std::vector<float> tokens = read(dir_ / "t.safetensors", "tokens");  // [5, 4, 16]
  const std::vector<float> pooled = read(dir_ / "f.safetensors", "features");

  ASSERT_EQ(tokens.size(), 5U * 4 * 16);
  for (std::size_t c = 0; c < 16; ++c) {
    float sum = 0.0F;
    for (std::size_t token = 0; token < 4; ++token) sum += tokens[token * 16 + c];
    EXPECT_NEAR(pooled[c], sum / 4, 1e-5F);
  }
}

TEST_F(FeaturesCommandTest, SkippedImagesHaveNoRow) {
  write_plain(dir_ / "p/2.png", "broken");

  const CommandResult result =
      features({"--out", dir_ / "f.npz", "--on-error", "skip", "--json", "--batch", "2"});

  ASSERT_EQ(result.code, 0) << result.error;
  EXPECT_EQ(Json::parse(result.out)["shape"], (std::vector<int>{4, 16}));
  EXPECT_THAT(NumpyFile::open(dir_ / "f.npz")->info("features").shape, ElementsAre(4, 16));
  EXPECT_THAT(testing::read_plain(dir_ / "f.npz"), ::testing::Not(HasSubstr("p/2.png")));
}

TEST_F(FeaturesCommandTest, LeavesNoFileWhenAnImageIsBroken) {
  write_plain(dir_ / "p/4.png", "broken");

  const CommandResult result = features({"--out", dir_ / "out/f.npz", "--batch", "2"});
  const CommandResult stopped = features({"--out", dir_ / "f.npz", "--batch", "2"});

  EXPECT_EQ(result.code, 3);  // no such folder
  EXPECT_EQ(stopped.code, 3);
  EXPECT_THAT(stopped.error, HasSubstr("4.png"));
  EXPECT_FALSE(std::filesystem::exists(dir_ / "f.npz"));
}

TEST_F(FeaturesCommandTest, ExplainsWrongUse) {
  const std::string out = dir_ / "f.npz";
  EXPECT_THAT(features({"--out", out, "--layer", "blok0_out"}).error, HasSubstr("block0_out"));
  EXPECT_EQ(features({"--out", out, "--layer", "1"}).code, 2);
  EXPECT_EQ(features({"--out", out, "--kind", "all"}).code, 2);
  EXPECT_EQ(features({"--out", out, "--size", "9"}).code, 2);
  EXPECT_EQ(features({"--out", dir_ / "f.txt"}).code, 2);
  ASSERT_EQ(features({"--out", out}).code, 0);
  EXPECT_EQ(features({"--out", out}).code, 3);
  EXPECT_EQ(features({"--out", out, "--force"}).code, 0);
}

}  // namespace
}  // namespace conopa
