// Every command that runs a model, on models and images that are damaged.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <limits>

#include "apps/conopa/model_store.h"
#include "conopa/arch/init.h"
#include "tests/app/command_run.h"

namespace conopa {
namespace {

namespace fs = std::filesystem;
using testing::CommandResult;
using ::testing::HasSubstr;
using testing::read_plain;
using testing::run_command;
using testing::TempDir;
using testing::write_plain;

class BadModelTest : public ::testing::Test {
 protected:
  BadModelTest() {
    testing::write_small_model(model_, {"ant", "bee", "cat"});
    testing::write_png(image_, 1);
    for (const char* name : {"ant", "bee", "cat"}) {
      testing::write_png(dir_ / ("d/val/" + std::string(name) + "/1.png"), 1);
    }
  }

  /// The words of every command that runs the model.
  [[nodiscard]] std::vector<std::vector<std::string>> commands() const {
    return {{"predict", model_, image_},
            {"eval", model_, "--data", dir_ / "d"},
            {"features", model_, image_, "--out", out_},
            {"check", model_, "--against", "reference"},
            {"quantize", model_, "--to", "int8", "--out", folder_},
            {"bench", model_, "--seconds", "0"}};
  }

  /// All of them fail alike: one line, nothing printed, no file.
  void expect_failure(int code, std::string_view text) const {
    for (const auto& words : commands()) {
      const CommandResult result = run_command(words);
      EXPECT_EQ(result.code, code) << words[0] << ": " << result.error;
      EXPECT_THAT(result.error, HasSubstr(std::string(text))) << words[0];
      EXPECT_EQ(result.error.find('\n'), std::string::npos) << words[0];
      EXPECT_EQ(result.out, "") << words[0];
      EXPECT_FALSE(fs::exists(out_));
      EXPECT_FALSE(fs::exists(folder_));
    }
  }

  TempDir dir_;
  std::string model_ = dir_ / "m";
  std::string image_ = dir_ / "x.png";
  std::string out_ = dir_ / "f.npz";
  std::string folder_ = dir_ / "q";
  std::string weights_ = dir_ / "m/model.safetensors";
};

TEST_F(BadModelTest, GoodModelsPass) {  // the others must fail for their reason
  for (const auto& words : commands()) {
    const CommandResult result = run_command(words);
    EXPECT_EQ(result.code, 0) << words[0] << ": " << result.error;
  }
}

TEST_F(BadModelTest, TruncatedWeights) {
  const std::string whole = read_plain(weights_);
  for (const std::size_t kept :
       {std::size_t{0}, std::size_t{5}, std::size_t{300}, whole.size() - 1}) {
    write_plain(weights_, whole.substr(0, kept));
    expect_failure(3, "model.safetensors");
  }
}

TEST_F(BadModelTest, WeightsThatAreNotFinite) {
  for (const float value :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    std::string bytes = read_plain(weights_);
    const auto bits = std::bit_cast<std::array<char, 4>>(value);
    bytes.replace(bytes.size() - 4, 4, bits.data(), 4);
    write_plain(weights_, bytes);
    expect_failure(3, "finite");
  }
}

TEST_F(BadModelTest, WeightsOfAnotherModel) {
  std::string config = read_plain(dir_ / "m/config.json");
  const std::size_t at = config.find("\"num_classes\": 3");
  ASSERT_NE(at, std::string::npos) << config;
  config.replace(at, 16, "\"num_classes\": 4");
  write_plain(dir_ / "m/config.json", config);

  expect_failure(3, "head");
}

TEST_F(BadModelTest, AnAbsentModel) {
  fs::remove_all(model_);
  for (const auto& words : commands()) {
    // The last two take it for the name of a preset.
    const bool preset = words[0] == "bench" || words[0] == "check";
    EXPECT_EQ(run_command(words).code, preset ? 2 : 3) << words[0];
  }
}

TEST_F(BadModelTest, AModelWithoutAHead) {
  arch::EncoderSpec spec = testing::small_spec();
  spec.num_classes = 0;
  app::NewModel bare{.spec = spec,
                     .transform = app::default_transform(spec),
                     .class_names = {},
                     .tensors = {},
                     .readme = "# m\n"};
  const arch::TensorTable table(spec);
  for (const arch::TensorEntry& entry : table.entries()) {
    bare.tensors.push_back({entry.name, arch::initial_tensor(entry, 1)});
  }
  app::save_model(model_, bare, true);

  EXPECT_EQ(run_command({"predict", model_, image_}).code, 2);
  for (const auto& words : commands()) {
    if (words[0] == "predict" || words[0] == "eval") continue;
    EXPECT_EQ(run_command(words).code, 0) << words[0];
  }
}

TEST_F(BadModelTest, FoldersWithoutImages) {
  fs::create_directories(dir_ / "none");
  EXPECT_EQ(run_command({"features", model_, dir_ / "none", "--out", out_}).code, 3);
  EXPECT_FALSE(fs::exists(out_));
  EXPECT_EQ(run_command({"predict", model_, dir_ / "none"}).code, 3);
  EXPECT_EQ(run_command({"check", model_, "--images", dir_ / "none"}).code, 3);
}

}  // namespace
}  // namespace conopa
