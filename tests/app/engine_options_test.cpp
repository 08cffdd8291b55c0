#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apps/conopa/network.h"
#include "conopa/core/error.h"
#include "tests/app/command_run.h"

namespace conopa {
namespace {

using testing::CommandResult;
using ::testing::HasSubstr;
using testing::run_command;
using testing::TempDir;
using testing::write_png;
using Json = nlohmann::json;

TEST(EngineOptionsTest, RefusesWhatDoesNotGoTogether) {
  EXPECT_THROW((app::EngineOptions{.engine = "native", .device = "cuda"}.validate()), UsageError);
  EXPECT_THROW((app::EngineOptions{.engine = "torch", .precision = "int8"}.validate()), UsageError);
  EXPECT_NO_THROW((app::EngineOptions{.engine = "torch", .device = "cuda"}.validate()));
  EXPECT_NO_THROW((app::EngineOptions{.precision = "int8", .device = "cpu"}.validate()));
}

TEST(NativeBatchTest, FillsRowsAndNeverExceedsWhatIsAtHand) {
  arch::EncoderSpec spec = testing::small_spec();  // 5 tokens

  EXPECT_EQ(app::native_batch(spec, 16), 16);
  EXPECT_EQ(app::native_batch(spec, 100'000), 2048 / 5);
  spec.height = spec.width = 4 * 64;
  spec.resolve();
  EXPECT_EQ(app::native_batch(spec, 16), 1);
}

/// Commands that run a model, every engine that this build has.
class EngineCommandTest : public ::testing::Test {
 protected:
  EngineCommandTest() {
    testing::write_small_model(model_, {"ant", "bee", "cat"});
    for (int i = 0; i < 6; ++i) {
      const char* name = i % 2 == 0 ? "ant" : "bee";
      write_png(dir_ / ("d/val/" + std::string(name) + "/" + std::to_string(i) + ".png"), i);
    }
    std::filesystem::create_directories(dir_ / "d/val/cat");
    write_png(dir_ / "d/val/cat/9.png", 9);
  }
  [[nodiscard]] CommandResult eval(std::vector<std::string> words) const {
    words.insert(words.begin(), {"eval", model_, "--data", dir_ / "d", "--json"});
    return run_command(words);
  }

  TempDir dir_;
  std::string model_ = dir_ / "m";
  std::string image_ = dir_ / "d/val/cat/9.png";
};

TEST_F(EngineCommandTest, ThreadsChangeNothing) {
  const std::string one = eval({"--threads", "1"}).out;

  EXPECT_FALSE(one.empty());
  EXPECT_EQ(eval({"--threads", "2"}).out, one);
  EXPECT_EQ(eval({"--threads", "37"}).out, one);  // more than cores, and than images
}

TEST_F(EngineCommandTest, PrecisionsAgreeOnTheLoss) {
  const double exact = Json::parse(eval({"--precision", "fp32"}).out)["loss"];

  EXPECT_NEAR(Json::parse(eval({"--precision", "bf16"}).out)["loss"].get<double>(), exact, 0.02);
  EXPECT_NEAR(Json::parse(eval({"--precision", "int8"}).out)["loss"].get<double>(), exact, 0.05);
}

TEST_F(EngineCommandTest, PredictsAtAnotherSize) {
  const CommandResult own = run_command({"predict", model_, image_, "--json"});
  const CommandResult large = run_command({"predict", model_, image_, "--json", "--size", "16x12"});

  ASSERT_EQ(large.code, 0) << large.error;
  EXPECT_NE(large.out, own.out);
  EXPECT_EQ(run_command({"predict", model_, image_, "--size", "8"}).code, 0);
  EXPECT_EQ(run_command({"predict", model_, image_, "--size", "9"}).code, 2);
  EXPECT_EQ(run_command({"predict", model_, image_, "--size", "8,16"}).code, 2);
}

TEST_F(EngineCommandTest, RefusesWrongEngines) {
  EXPECT_EQ(eval({"--engine", "tensorflow"}).code, 2);
  EXPECT_EQ(eval({"--device", "cuda"}).code, 2);
  EXPECT_EQ(eval({"--threads", "5000"}).code, 2);
  EXPECT_EQ(eval({"--engine", "torch", "--precision", "int8"}).code, 2);
}

#ifdef CONOPA_TRAIN

TEST_F(EngineCommandTest, TorchGivesTheSameMetrics) {
  const Json native = Json::parse(eval({"--precision", "fp32"}).out);
  const Json torch = Json::parse(eval({"--engine", "torch"}).out);

  EXPECT_EQ(native["top1"], torch["top1"]);
  EXPECT_EQ(native["samples"], torch["samples"]);
  EXPECT_NEAR(native["loss"].get<double>(), torch["loss"].get<double>(), 1e-5);
}

TEST_F(EngineCommandTest, TorchPredictsTheSame) {
  const Json native =
      Json::parse(run_command({"predict", model_, image_, "--json", "--precision", "fp32"}).out);
  const CommandResult result =
      run_command({"predict", model_, image_, "--json", "--engine", "torch"});

  ASSERT_EQ(result.code, 0) << result.error;
  EXPECT_NEAR(Json::parse(result.out)["predictions"][0]["probability"].get<double>(),
              native["predictions"][0]["probability"].get<double>(), 1e-5);
}

#else

TEST_F(EngineCommandTest, SaysThatTheBuildHasNoTorch) {
  for (const CommandResult& result :
       {eval({"--engine", "torch"}), run_command({"train", "recipe.toml"}),
        run_command({"predict", model_, image_, "--engine", "torch"})}) {
    EXPECT_EQ(result.code, 3);
    EXPECT_THAT(result.error, HasSubstr("CONOPA_TRAIN=ON"));
    EXPECT_EQ(result.out, "");
  }
}

#endif

}  // namespace
}  // namespace conopa
