#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/app/command_run.h"
#include "tests/io/temp_dir.h"

namespace conopa {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::run_command;
using testing::TempDir;
using Json = nlohmann::json;

std::string data(const std::string& name) {
  return std::string(CONOPA_SOURCE_DIR) + "/tests/llm/data/" + name;
}

TEST(InspectLanguageTest, TellsWhatAFolderHolds) {
  EXPECT_THAT(
      run_command({"inspect", data("llama_meta")}).out,
      AllOf(HasSubstr("llama, 4 layers, width 40, 4 heads, feed-forward 112"),
            HasSubstr("consolidated.00.pth (Meta, 4 layers)"),
            HasSubstr("vocabulary  24\ncontext     not stated"), HasSubstr("19920 a layer")));
  EXPECT_THAT(run_command({"inspect", data("opt/weights.pth"), "--tensors"}).out,
              AllOf(HasSubstr("pre layer norms (epsilon 1e-05), ReLU, with biases"),
                    HasSubstr("attn.qkv.weight"), HasSubstr("[144, 48]")));
}

TEST(InspectLanguageTest, JsonHoldsTheConfig) {
  const Json shown =
      Json::parse(run_command({"inspect", data("llama_hf"), "--json", "--tensors"}).out);
  const Json& model = shown.at("language_model");
  EXPECT_EQ(model.at("kind"), "llama");
  EXPECT_EQ(model.at("hidden"), 112);
  EXPECT_EQ(model.at("tensors").at("mlp.down.weight").at("shape"), Json({40, 112}));
  EXPECT_EQ(model.at("tensors").at("mlp.down.weight").at("dtype"), "F16");
}

TEST(InspectLanguageTest, ModelsOfTheProjectStayWhatTheyAre) {
  const TempDir dir;
  testing::write_small_model(dir / "m", {});
  const Json shown = Json::parse(run_command({"inspect", dir / "m", "--json"}).out);
  EXPECT_TRUE(shown.contains("spec"));
  EXPECT_FALSE(shown.contains("language_model"));
}

TEST(InspectLanguageTest, ADamagedModelIsOneLine) {
  const TempDir dir;
  testing::write_plain(dir / "params.json", "{}");
  const testing::CommandResult result = run_command({"inspect", dir.path()});
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.error, HasSubstr("expected consolidated.00.pth in the folder"));
}

}  // namespace
}  // namespace conopa
