#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apps/conopa/preset_model.h"
#include "tests/app/command_run.h"

namespace conopa {
namespace {

using testing::CommandResult;
using ::testing::HasSubstr;
using testing::run_command;
using testing::TempDir;
using Json = nlohmann::json;

class BenchCommandTest : public ::testing::Test {
 protected:
  BenchCommandTest() { testing::write_small_model(model_, {}); }
  [[nodiscard]] CommandResult bench(std::vector<std::string> words) const {
    words.insert(words.begin(), {"bench", model_, "--seconds", "0"});
    return run_command(words);
  }

  TempDir dir_;
  std::string model_ = dir_ / "m";
};

TEST_F(BenchCommandTest, MeasuresEveryCombination) {
  const CommandResult result = bench({"--batch", "1,3", "--threads", "1,2", "--precision",
                                      "fp32,bf16,int8", "--size", "8,16x8", "--json"});

  ASSERT_EQ(result.code, 0) << result.error;
  const Json json = Json::parse(result.out);
  EXPECT_FALSE(json["machine"].get<std::string>().empty());
  EXPECT_GT(json["peak_rss_bytes"].get<std::int64_t>(), 0);
  ASSERT_EQ(json["rows"].size(), 2U * 3 * 2 * 2);
  EXPECT_EQ(json["rows"][0]["precision"], "fp32");
  EXPECT_EQ(json["rows"][1]["batch"], 3);
  EXPECT_EQ(json["rows"][2]["threads"], 2);
  EXPECT_EQ(json["rows"][12]["height"], 16);
  for (const Json& row : json["rows"]) {
    EXPECT_GT(row["ms_per_image"].get<double>(), 0.0);
    EXPECT_GE(row["ms_p90"].get<double>(), row["ms_per_image"].get<double>());
    EXPECT_GT(row["cpu_ms_per_image"].get<double>(), 0.0);
    EXPECT_GT(row["images_per_second"].get<double>(), 0.0);
    EXPECT_GT(row["gflops"].get<double>(), 0.0);
    EXPECT_GT(row["weight_bytes"].get<std::int64_t>(), 0);
    EXPECT_GT(row["arena_bytes"].get<std::int64_t>(), 0);
    EXPECT_GE(row["runs"].get<int>(), 5);
    if (!row["peak_fraction"].is_null()) {
      EXPECT_LT(row["peak_fraction"].get<double>(), 1.0);
    }
  }
}

TEST_F(BenchCommandTest, MakesTheFewestRunsThatWereAskedFor) {
  const CommandResult result = bench({"--batch", "1", "--runs", "2", "--json"});

  ASSERT_EQ(result.code, 0) << result.error;
  EXPECT_EQ(Json::parse(result.out)["rows"][0]["runs"], 2);
  EXPECT_EQ(bench({"--runs", "0"}).code, 2);
}

TEST_F(BenchCommandTest, PrintsATableAndTheKernels) {
  const CommandResult result = bench({"--batch", "1", "--explain"});

  ASSERT_EQ(result.code, 0) << result.error;
  for (const char* part : {"ms/image", "8x8", "up 5x256x16", "attention: ", "peak memory"}) {
    EXPECT_THAT(result.out, HasSubstr(part));
  }
}

TEST_F(BenchCommandTest, ExplainsWrongUse) {
  EXPECT_EQ(bench({"--batch", "0"}).code, 2);
  EXPECT_EQ(bench({"--precision", "fp8"}).code, 2);
  EXPECT_EQ(bench({"--size", "9"}).code, 2);
  EXPECT_EQ(bench({"--threads", "0"}).code, 2);
  const CommandResult unknown = run_command({"bench", "illama_tiny_patch16_225"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.error, HasSubstr("illama_tiny_patch16_224"));
}

TEST(PresetModelTest, HasEveryWeight) {
  const app::StoredModel model = app::open_model_or_preset("illama_tiny_patch16_224");

  EXPECT_EQ(model.spec.height, 224);
  EXPECT_NO_THROW(app::check_weights(model));
}

}  // namespace
}  // namespace conopa
