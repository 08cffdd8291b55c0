#include "conopa/io/model_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/core/error.h"
#include "tests/io/temp_dir.h"

namespace conopa {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;
using testing::read_plain;
using testing::TempDir;
using testing::write_plain;

std::vector<NamedTensor> tensors(float value) {
  const std::vector<float> values{value, value};
  return {{"a", HostTensor::of<float>(DType::kF32, {2}, values)},
          {"b", HostTensor::of<float>(DType::kF32, {2}, values)}};
}

void write(const std::filesystem::path& path, float value, const ModelFolderOptions& options = {}) {
  const auto list = tensors(value);
  write_model_folder(path,
                     {.config_json = R"({"family": "illama"})",
                      .preprocessor_json = R"({"height": 32})",
                      .readme = "# card\n",
                      .tensors = list,
                      .metadata = {{"format", "pt"}}},
                     options);
}

TEST(ModelFolderTest, RoundTrips) {
  const TempDir dir;
  write(dir / "m", 1);
  EXPECT_THAT(dir.names(), ElementsAre("m"));
  const ModelFolder folder = open_model_folder(dir / "m");
  EXPECT_EQ(folder.config_json, R"({"family": "illama"})");
  EXPECT_EQ(folder.preprocessor_json, R"({"height": 32})");
  EXPECT_EQ(folder.readme, "# card\n");
  EXPECT_THAT(folder.weights->read("b").to_f32(), ElementsAre(1, 1));
}

TEST(ModelFolderTest, RoundTripsShards) {
  const TempDir dir;
  write(dir / "sub/m/", 1, {.max_shard_bytes = 8});
  EXPECT_TRUE(std::filesystem::exists(dir / "sub/m/model.safetensors.index.json"));
  EXPECT_THAT(open_model_folder(dir / "sub/m").weights->names(), ElementsAre("a", "b"));
}

TEST(ModelFolderTest, KeepsAnExistingFolderUnlessAskedToReplaceIt) {
  const TempDir dir;
  write(dir / "m", 1);
  EXPECT_THAT(message_of<IoError>([&] { write(dir / "m", 2); }), HasSubstr("exists already"));
  const ModelFolder old = open_model_folder(dir / "m");
  write(dir / "m", 2, {.overwrite = true, .max_shard_bytes = 8});
  EXPECT_THAT(open_model_folder(dir / "m").weights->read("a").to_f32(), ElementsAre(2, 2));
  EXPECT_FALSE(std::filesystem::exists(dir / "m/model.safetensors"));
  EXPECT_THAT(old.weights->read("a").to_f32(), ElementsAre(1, 1));
  EXPECT_THAT(dir.names(), ElementsAre("m"));
}

TEST(ModelFolderTest, NeverReplacesAFolderWithOtherContent) {
  const TempDir dir;
  write(dir / "m", 1);
  write_plain(dir / "m/thesis.tex", "years of work");
  EXPECT_THAT(message_of<IoError>([&] { write(dir / "m", 2, {.overwrite = true}); }),
              HasSubstr("thesis.tex"));
  EXPECT_EQ(read_plain(dir / "m/thesis.tex"), "years of work");
  EXPECT_THAT(open_model_folder(dir / "m").weights->read("a").to_f32(), ElementsAre(1, 1));
  write_plain(dir / "file", "x");
  EXPECT_THROW(write(dir / "file", 2, {.overwrite = true}), IoError);
}

TEST(ModelFolderTest, FillsAnEmptyFolder) {
  const TempDir dir;
  std::filesystem::create_directory(dir / "m");
  write(dir / "m", 1);
  EXPECT_TRUE(open_model_folder(dir / "m").weights->contains("a"));
}

TEST(ModelFolderTest, LeavesNothingWhenItFails) {
  const TempDir dir;
  auto list = tensors(1);
  list[1].name = "a";
  EXPECT_THROW(write_model_folder(dir / "m", {.config_json = "{}", .tensors = list}), FormatError);
  EXPECT_THROW(write_model_folder(dir / "m", {.config_json = "[1]", .tensors = {}}), ConfigError);
  EXPECT_THROW(write_model_folder(dir / "m", {.config_json = "{", .tensors = {}}), ConfigError);
  EXPECT_TRUE(dir.names().empty());
}

TEST(ModelFolderTest, SaysWhatIsMissing) {
  const TempDir dir;
  const auto message = [&] {
    return message_of<IoError>([&] { (void)open_model_folder(dir / "m"); });
  };
  EXPECT_THAT(message(), HasSubstr("found nothing"));
  write(dir / "m", 1);
  std::filesystem::remove(dir / "m/model.safetensors");
  EXPECT_THAT(message(), HasSubstr("expected model.safetensors or"));
  std::filesystem::remove(dir / "m/config.json");
  EXPECT_THAT(message(), HasSubstr("expected config.json"));
}

TEST(ModelFolderTest, RefusesADamagedConfig) {
  const TempDir dir;
  write(dir / "m", 1);
  write_plain(dir / "m/config.json", "{\"a\": ");
  EXPECT_THROW((void)open_model_folder(dir / "m"), FormatError);
}

}  // namespace
}  // namespace conopa
