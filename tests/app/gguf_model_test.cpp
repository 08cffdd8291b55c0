#include "apps/conopa/gguf_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "conopa/arch/init.h"
#include "conopa/arch/registry.h"
#include "conopa/core/error.h"
#include "conopa/engine/quantise.h"
#include "tests/app/command_run.h"

namespace conopa {
namespace {

using arch::EncoderSpec;
using testing::CommandResult;
using ::testing::HasSubstr;
using testing::message_of;
using testing::read_plain;
using testing::run_command;
using testing::TempDir;
using Json = nlohmann::json;

/// Specs that differ in every kind of field: pyramid lists, decoder, scalar flags of quantisers.
std::vector<arch::EncoderSpec> specs() {
  std::vector<arch::EncoderSpec> out{testing::small_spec(), testing::small_spec(),
                                     arch::preset_spec("visionllama_pyramid_small_224"),
                                     arch::preset_spec("visionllama_base_patch16_mae_paper")};
  out[1].quantization = arch::Quantization::kLsq;
  out[1].qk_norm = arch::QkNorm::kRmsAfterRotary;
  out[1].mask_rate = 1.0 / 3.0;
  out[1].drop_path = 0.1;
  out[2].stage_dims = {16, 16, 32, 32};
  out[2].stage_depths = {2, 2, 2, 2};
  out[2].stage_heads = {1, 1, 2, 2};
  out[2].stage_hidden = {16, 16, 32, 32};
  out[3].dim = out[3].decoder_dim = 16;
  out[3].depth = out[3].decoder_depth = 1;
  out[3].heads = out[3].decoder_heads = 1;
  out[3].mlp_hidden = 24;
  for (arch::EncoderSpec& spec : out) spec.resolve();
  return out;
}

void write_model(const std::filesystem::path& path, const arch::EncoderSpec& spec, DType dtype) {
  app::NewModel model{.spec = spec,
                      .transform = app::default_transform(spec),
                      .class_names = {},
                      .tensors = {},
                      .readme = "# model\n"};
  model.transform.crop_pct = 0.9 + 1e-13;
  model.transform.std = {0.1, 0.2, 1.0 / 3.0};
  const arch::TensorTable table(spec);
  for (const arch::TensorEntry& entry : table.entries()) {
    HostTensor tensor = arch::initial_tensor(entry, 3);
    if (tensor.dtype() == DType::kF32 && dtype == DType::kBF16) {
      HostTensor narrow = HostTensor::zeros(dtype, tensor.shape());
      for (std::int64_t i = 0; i < tensor.numel(); ++i) {
        const auto at = static_cast<std::size_t>(i);
        narrow.mutable_data<std::uint16_t>()[at] = float_to_bf16(tensor.data<float>()[at]);
      }
      tensor = narrow;
    }
    model.tensors.push_back({entry.name, tensor});
  }
  app::save_model(path, model, false);
}

void expect_same_model(const std::filesystem::path& a, const std::filesystem::path& b) {
  for (const std::string_view name :
       {"config.json", "preprocessor_config.json", "model.safetensors"}) {
    EXPECT_EQ(read_plain(a / name), read_plain(b / name)) << name;
  }
}

TEST(GgufModelTest, ComesBackByImportWithTheSameBytes) {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    for (const arch::EncoderSpec& spec : specs()) {
      const TempDir dir;
      write_model(dir / "m", spec, dtype);

      const CommandResult written =
          run_command({"export", dir / "m", "--to", "gguf", "--out", dir / "m.gguf"});
      ASSERT_EQ(written.code, 0) << written.error;
      const CommandResult result = run_command({"import", dir / "m.gguf", "--out", dir / "back"});

      ASSERT_EQ(result.code, 0) << result.error;
      EXPECT_EQ(result.log, "");
      expect_same_model(dir / "back", dir / "m");
    }
  }
}

TEST(GgufModelTest, KeepsQuantisedMatrices) {
  EncoderSpec spec = testing::small_spec();
  spec.dim = 32;
  spec.mlp_hidden = 40;  // the down projection has no whole blocks and stays float
  spec.resolve();
  for (const QuantForm form : {QuantForm::kInt8, QuantForm::kQ8_0, QuantForm::kQ4_0}) {
    const TempDir dir;
    write_model(dir / "float", spec, DType::kF32);
    const app::StoredModel model = app::open_model(dir / "float");
    app::save_model(dir / "m",
                    {.spec = spec,
                     .transform = model.transform,
                     .class_names = {"a", "b", "c"},
                     .tensors = engine::quantise_weights(spec, *model.weights, {.form = form}),
                     .weight_format = form,
                     .readme = "# model\n"},
                    false);

    const CommandResult written =
        run_command({"export", dir / "m", "--to", "gguf", "--out", dir / "m.gguf"});
    ASSERT_EQ(written.code, 0) << written.error;
    const CommandResult result = run_command({"import", dir / "m.gguf", "--out", dir / "back"});
    ASSERT_EQ(result.code, 0) << result.error;
    expect_same_model(dir / "back", dir / "m");

    const CommandResult wide =
        run_command({"import", dir / "m.gguf", "--dtype", "f32", "--out", dir / "wide"});
    ASSERT_EQ(wide.code, 0) << wide.error;
    const app::StoredModel quantised = app::open_model(dir / "m");
    const app::StoredModel plain = app::open_model(dir / "wide");
    EXPECT_EQ(plain.weights->quant_form(), std::nullopt);
    const std::string name = "blocks.0.attn.qkv.weight";
    EXPECT_EQ(plain.weights->read(name).to_f32(), quantised.weights->read(name).to_f32());
  }
}

TEST(GgufModelTest, KeepsClassNames) {
  const TempDir dir;
  testing::write_small_model(dir / "m", {"ant", "ñandú", "\"cat\""});
  ASSERT_EQ(run_command({"export", dir / "m", "--to", "gguf", "--out", dir / "m.gguf"}).code, 0);
  ASSERT_EQ(run_command({"import", dir / "m.gguf", "--out", dir / "back"}).code, 0);
  expect_same_model(dir / "back", dir / "m");
}

TEST(GgufModelTest, ConvertsToTheElementTypeAskedFor) {
  const TempDir dir;
  testing::write_small_model(dir / "m", {});
  for (const std::string type : {"f32", "f16", "bf16"}) {
    ASSERT_EQ(run_command({"export", dir / "m", "--to", "gguf", "--dtype", type, "--out",
                           dir / "m.gguf", "--force"})
                  .code,
              0);
    const auto file = GgufFile::open(dir / "m.gguf");
    const app::StoredModel model = app::open_model(dir / "m");
    std::vector<float> expected = model.weights->read("blocks.0.attn.qkv.weight").to_f32();
    for (float& v : expected) {
      if (type == "f16") v = half_to_float(float_to_half(v));
      if (type == "bf16") v = bf16_to_float(float_to_bf16(v));
    }
    EXPECT_EQ(file->read("blocks.0.attn.qkv.weight").to_f32(), expected) << type;
  }
  ASSERT_EQ(run_command({"import", dir / "m.gguf", "--dtype", "f16", "--out", dir / "back"}).code,
            0);
  EXPECT_EQ(app::open_model(dir / "back").weights->info("norm.weight").dtype, DType::kF16);
}

TEST(GgufModelTest, MetadataTellsTheModel) {
  const TempDir dir;
  testing::write_small_model(dir / "m", {"a", "b", "c"});
  ASSERT_EQ(run_command({"export", dir / "m", "--to", "gguf", "--out", dir / "m.gguf"}).code, 0);

  const auto file = GgufFile::open(dir / "m.gguf");
  EXPECT_EQ(file->find("general.architecture")->as_string(), "conopa");
  EXPECT_EQ(file->find("conopa.dim")->as_int(), 16);
  EXPECT_EQ(file->find("conopa.mask")->as_string(), "soft_causal");
  EXPECT_EQ(file->find("conopa.norm_eps")->as_float(), 1e-6);
  EXPECT_EQ(file->find("preprocessor.mean")->items().size(), 3U);
  EXPECT_EQ(file->find("classes.names")->items().size(), 3U);
  const Json shown = Json::parse(run_command({"inspect", dir / "m.gguf", "--json"}).out);
  EXPECT_EQ(shown["spec"]["heads"], 2);
  EXPECT_EQ(shown["keys"]["missing"].size() + shown["keys"]["unexpected"].size(), 0U);
}

TEST(GgufModelTest, SettingsChangeTheDescribedModel) {
  const TempDir dir;
  testing::write_small_model(dir / "m", {});
  ASSERT_EQ(run_command({"export", dir / "m", "--to", "gguf", "--out", dir / "m.gguf"}).code, 0);
  const CommandResult result =
      run_command({"import", dir / "m.gguf", "--set", "mask=causal", "--out", dir / "back"});
  ASSERT_EQ(result.code, 0) << result.error;
  EXPECT_EQ(app::open_model(dir / "back").spec.mask, arch::Mask::kCausal);
}

TEST(GgufModelTest, RefusesDamagedDescriptionsAndOtherModels) {
  const TempDir dir;
  const auto refusal = [&](const GgufEntries& entries) {
    write_gguf(dir / "m.gguf", entries, {});
    return run_command({"import", dir / "m.gguf", "--out", dir / "back"}).error;
  };
  const std::pair<std::string, GgufValue> ours{"general.architecture", GgufValue::string("conopa")};
  EXPECT_THAT(refusal({ours, {"conopa.dimm", GgufValue::u32(1)}}), HasSubstr("dim"));
  EXPECT_THAT(refusal({ours, {"conopa.dim", GgufValue::i64(-1)}}), HasSubstr("dim"));
  EXPECT_THAT(refusal({ours, {"conopa.mask", GgufValue::string("none")}}), HasSubstr("mask"));
  EXPECT_THAT(
      refusal({ours, {"classes.names", GgufValue::array(GgufKind::kU32, {GgufValue::u32(1)})}}),
      HasSubstr("classes.names"));
  EXPECT_THAT(refusal({ours}), HasSubstr("missing"));
  EXPECT_THAT(refusal({{"general.architecture", GgufValue::string("llama")}}), HasSubstr("m.gguf"));
  EXPECT_FALSE(std::filesystem::exists(dir / "back"));
}

TEST(ExportCommandTest, RefusesOptionsThatTheFormatDoesNotHave) {
  const TempDir dir;
  testing::write_small_model(dir / "m", {});
  EXPECT_THAT(run_command({"export", dir / "m", "--to", "gguf", "--scheme", "official", "--out",
                           dir / "m.gguf"})
                  .error,
              HasSubstr("--scheme"));
  EXPECT_THAT(run_command({"export", dir / "m", "--to", "official", "--dtype", "f16", "--out",
                           dir / "m.safetensors"})
                  .error,
              HasSubstr("--dtype"));
  EXPECT_THAT(dir.names(), ::testing::ElementsAre("m"));
}

}  // namespace
}  // namespace conopa
