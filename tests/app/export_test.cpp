#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apps/conopa/model_store.h"
#include "conopa/arch/init.h"
#include "conopa/arch/registry.h"
#include "conopa/io/safetensors.h"
#include "tests/app/command_run.h"

namespace conopa {
namespace {

using testing::CommandResult;
using ::testing::HasSubstr;
using testing::run_command;
using testing::TempDir;
using testing::write_plain;
using Json = nlohmann::json;

// A masked auto-encoder of 16x16 pixels, whose official names keep gate and up in one tensor.
arch::EncoderSpec mae_spec() {
  arch::EncoderSpec spec = arch::preset_spec("visionllama_base_patch16_mae_paper");
  spec.height = spec.width = 16;
  spec.patch = 8;
  spec.dim = 16;
  spec.depth = 2;
  spec.heads = 1;
  spec.mlp_hidden = 24;
  spec.decoder_dim = 8;
  spec.decoder_depth = 1;
  spec.decoder_heads = 1;
  spec.resolve();
  return spec;
}

void write_model(const std::filesystem::path& path, const arch::EncoderSpec& spec) {
  app::NewModel model{.spec = spec,
                      .transform = app::default_transform(spec),
                      .class_names = {},
                      .tensors = {},
                      .readme = "# model\n"};
  const arch::TensorTable table(spec);
  for (const arch::TensorEntry& entry : table.entries()) {
    model.tensors.push_back({entry.name, arch::initial_tensor(entry, 3)});
  }
  app::save_model(path, model, false);
}

TEST(ExportCommandTest, JoinsWhatOtherSoftwareKeepsInOneTensor) {
  const TempDir dir;
  write_model(dir / "m", mae_spec());

  const CommandResult result = run_command(
      {"export", dir / "m", "--to", "official", "--out", dir / "m.safetensors", "--json"});

  ASSERT_EQ(result.code, 0) << result.error;
  EXPECT_EQ(Json::parse(result.out)["scheme"], "mmpretrain_mae");
  const auto file = SafetensorsFile::open(dir / "m.safetensors");
  EXPECT_EQ(Json::parse(result.out)["tensors"], file->names().size());
  const app::StoredModel model = app::open_model(dir / "m");
  std::vector<float> expected = model.weights->read("blocks.1.mlp.gate.weight").to_f32();
  const std::vector<float> up = model.weights->read("blocks.1.mlp.up.weight").to_f32();
  expected.insert(expected.end(), up.begin(), up.end());
  const HostTensor fused = file->read("backbone.layers.1.ffn.w12.weight");
  EXPECT_EQ(fused.shape(), (Shape{48, 16}));
  EXPECT_EQ(fused.to_f32(), expected);
  EXPECT_EQ(file->read("neck.decoder_embed.weight").to_f32(),
            model.weights->read("decoder.embed.weight").to_f32());
}

TEST(ExportCommandTest, ComesBackByImportWithTheSameBytes) {
  const TempDir dir;
  write_model(dir / "m", mae_spec());
  ASSERT_EQ(
      run_command({"export", dir / "m", "--to", "official", "--out", dir / "m.safetensors"}).code,
      0);

  const CommandResult result =
      run_command({"import", dir / "m.safetensors", "--out", dir / "back"});

  ASSERT_EQ(result.code, 0) << result.error;
  EXPECT_EQ(testing::read_plain(dir / "back/model.safetensors"),
            testing::read_plain(dir / "m/model.safetensors"));
}

TEST(ExportCommandTest, KeepsClassNames) {
  const TempDir dir;
  testing::write_small_model(dir / "m", {"ant", "bee", "cat"});

  const CommandResult result =
      run_command({"export", dir / "m", "--to", "official", "--out", dir / "m.safetensors"});

  ASSERT_EQ(result.code, 0) << result.error;
  EXPECT_THAT(result.out, HasSubstr("under official names"));
  const auto file = SafetensorsFile::open(dir / "m.safetensors");
  EXPECT_EQ(app::stored_class_names(*file), (std::vector<std::string>{"ant", "bee", "cat"}));
  EXPECT_TRUE(file->contains("blocks.0.mlp.fc3.weight"));
}

TEST(ExportCommandTest, RefusesWhatItCannotWrite) {
  const TempDir dir;
  testing::write_small_model(dir / "m", {});
  const auto attempt = [&](const std::string& to, const std::string& out,
                           std::vector<std::string> more = {}) {
    std::vector<std::string> words{"export", dir / "m", "--to", to, "--out", dir / out};
    words.insert(words.end(), more.begin(), more.end());
    return run_command(words);
  };
  write_plain(dir / "there.safetensors", "mine");

  EXPECT_EQ(attempt("ggml", "m.gguf").code, 2);
  EXPECT_THAT(attempt("official", "m.pth").error, HasSubstr("ends in .safetensors"));
  EXPECT_THAT(attempt("official", "there.safetensors").error, HasSubstr("--force"));
  EXPECT_EQ(testing::read_plain(dir / "there.safetensors"), "mine");
  EXPECT_THAT(attempt("official", "m.safetensors", {"--scheme", "timm"}).error,
              HasSubstr("no naming scheme 'timm'"));
  EXPECT_FALSE(std::filesystem::exists(dir / "m.safetensors"));
  EXPECT_EQ(attempt("official", "there.safetensors", {"--force"}).code, 0);
}

TEST(ExportCommandTest, WritesOnnxGraphsWithTheirPreprocessing) {
  const TempDir dir;
  testing::write_small_model(dir / "m", {"ant", "bee", "cat"});

  const CommandResult result =
      run_command({"export", dir / "m", "--to", "onnx", "--out", dir / "m.onnx", "--json"});

  ASSERT_EQ(result.code, 0) << result.error;
  const std::string bytes = testing::read_plain(dir / "m.onnx");
  EXPECT_EQ(Json::parse(result.out)["bytes"], bytes.size());
  EXPECT_THAT(bytes, HasSubstr(R"(["ant","bee","cat"])"));
  EXPECT_THAT(bytes, HasSubstr("crop_pct"));
  EXPECT_THAT(bytes, HasSubstr("blocks.0/attn/proj/matmul"));

  ASSERT_EQ(run_command({"export", dir / "m", "--to", "onnx", "--precision", "int8", "--out",
                         dir / "m8.onnx"})
                .code,
            0);
  EXPECT_THAT(testing::read_plain(dir / "m8.onnx"), HasSubstr("MatMulInteger"));
}

TEST(ExportCommandTest, RefusesOptionsOfOtherFormats) {
  const TempDir dir;
  testing::write_small_model(dir / "m", {});

  const CommandResult scheme = run_command(
      {"export", dir / "m", "--to", "onnx", "--scheme", "official", "--out", dir / "m.onnx"});
  const CommandResult precision =
      run_command({"export", dir / "m", "--to", "official", "--precision", "int8", "--out",
                   dir / "m.safetensors"});

  EXPECT_EQ(scheme.code, 2);
  EXPECT_THAT(scheme.error, HasSubstr("leave it out"));
  EXPECT_EQ(precision.code, 2);
  EXPECT_THAT(precision.error, HasSubstr("leave it out"));
}

TEST(ExportCommandTest, RefusesAModelThatTheSchemeCannotHold) {
  const TempDir dir;
  write_model(dir / "m", mae_spec());

  const CommandResult result = run_command({"export", dir / "m", "--to", "official", "--scheme",
                                            "official", "--out", dir / "m.safetensors"});

  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.error, HasSubstr("do: mmpretrain_mae"));
}

}  // namespace
}  // namespace conopa
