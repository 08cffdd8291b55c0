// Import and export of VisionLLaMA checkpoints in the published formats.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "apps/conopa/model_store.h"
#include "conopa/io/pth.h"
#include "conopa/io/safetensors.h"
#include "tests/app/command_run.h"

namespace conopa {
namespace {

using testing::case_folder;
using testing::CommandResult;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::run_command;
using testing::TempDir;
using Json = nlohmann::json;

std::string weights_of(const std::string& name) {
  return case_folder("visionllama/" + name) / "weights.pth";
}

// A published format, and the statements its shapes leave open.
struct Format {
  std::string name;
  std::vector<std::string> settings;
  std::string scheme;
  bool partial = false;
};

std::vector<std::string> import_words(const Format& format, const std::string& from,
                                      const std::string& to) {
  std::vector<std::string> words{"import", from, "--out", to};
  for (const std::string& setting : format.settings) {
    words.emplace_back(setting.starts_with("--") ? setting : "--set");
    if (!setting.starts_with("--")) words.push_back(setting);
  }
  if (format.partial) words.emplace_back("--partial");
  return words;
}

const std::vector<Format>& formats() {
  static const std::vector<Format> all{
      {"plain_cls", {"heads=2", "height=64", "width=64"}, "official"},
      {"plain_1d_rope_pi",
       {"heads=2", "height=64", "width=64", "rotary=line", "read_out=mean", "class_token=none",
        "position=none", "rope_scale=0.5"},
       "official",
       true},
      {"pyramid4_pad_nonsquare", {"stage_heads=[2, 2, 2, 2]", "height=64", "width=96"}, "official"},
      {"mae_forward_grads", {"heads=2", "decoder_heads=3"}, "mmpretrain_mae"},
      {"ssl_finetune_gap", {"heads=2", "height=64", "width=64"}, "mmpretrain_finetune"}};
  return all;
}

class VisionLlamaFormatTest : public ::testing::TestWithParam<Format> {};

TEST_P(VisionLlamaFormatTest, ImportsEveryTensor) {
  const TempDir dir;
  const Format& format = GetParam();
  const std::string from = weights_of(format.name);

  const CommandResult result = run_command(import_words(format, from, dir / "m"));

  ASSERT_EQ(result.code, 0) << result.error;
  EXPECT_THAT(result.out, HasSubstr(format.scheme + " names"));
  EXPECT_THAT(result.out, HasSubstr("0 missing"));
  const app::StoredModel model = app::open_model(dir / "m");
  const auto source = PthFile::open(from);
  const arch::TensorTable table(model.spec);
  for (const arch::TensorEntry& entry : table.entries()) {
    const arch::ForeignTensor foreign = table.foreign(entry.name, format.scheme);
    EXPECT_EQ(model.weights->read(entry.name).to_f64(),
              arch::read_foreign(foreign, entry,
                                 [&](const std::string& name) -> std::optional<HostTensor> {
                                   return source->read(name);
                                 })
                  ->to_f64())
        << entry.name;
  }
}

TEST_P(VisionLlamaFormatTest, ExportGivesTheOfficialTensorsBack) {
  const TempDir dir;
  const Format& format = GetParam();
  const std::string from = weights_of(format.name);
  ASSERT_EQ(run_command(import_words(format, from, dir / "m")).code, 0);
  const std::string file = dir / "official.safetensors";

  const CommandResult exported =
      run_command({"export", dir / "m", "--to", "official", "--out", file, "--json"});
  const CommandResult imported = run_command(import_words(format, file, dir / "back"));

  ASSERT_EQ(exported.code, 0) << exported.error;
  EXPECT_EQ(Json::parse(exported.out)["scheme"], format.scheme);
  const auto source = PthFile::open(from);
  const auto official = SafetensorsFile::open(file);
  for (const std::string& name : official->names()) {
    const HostTensor a = official->read(name);
    const HostTensor b = source->read(name);
    EXPECT_EQ(a.shape(), b.shape()) << name;
    EXPECT_TRUE(std::ranges::equal(a.bytes(), b.bytes())) << name;
  }
  ASSERT_EQ(imported.code, 0) << imported.error;
  EXPECT_EQ(testing::read_plain(dir / "back/model.safetensors"),
            testing::read_plain(dir / "m/model.safetensors"));
  EXPECT_EQ(testing::read_plain(dir / "back/config.json"),
            testing::read_plain(dir / "m/config.json"));
}

INSTANTIATE_TEST_SUITE_P(Published, VisionLlamaFormatTest, ::testing::ValuesIn(formats()),
                         [](const auto& format) { return format.param.name; });

TEST(VisionLlamaImportTest, CarriesTheRulesThatPyramidsWereTrainedWith) {
  const TempDir dir;

  const CommandResult result =
      run_command({"import", weights_of("pyramid4_pad_nonsquare"), "--out", dir / "m"});

  ASSERT_EQ(result.code, 0) << result.error;
  EXPECT_THAT(result.log, HasSubstr("stage_heads = [1, 1, 1, 1]"));
  EXPECT_THAT(result.log, HasSubstr("stage_windows"));
  const arch::EncoderSpec spec = app::open_model(dir / "m").spec;
  EXPECT_EQ(spec.family, "visionllama_pyramid");
  EXPECT_EQ(spec.height, 224);
  EXPECT_EQ(spec.stage_dims, (std::vector<std::int64_t>{16, 24, 32, 40}));
  EXPECT_EQ(spec.stage_reductions, (std::vector<std::int64_t>{8, 4, 2, 1}));
  EXPECT_EQ(spec.norm_eps, 1e-5);
  EXPECT_EQ(spec.rope_scaling, arch::RopeScaling::kNone);
  EXPECT_EQ(spec.rope_grid, arch::RopeGrid::kOfficial);
  EXPECT_EQ(spec.rope_keys, arch::RopeKeys::kOfficial);
  EXPECT_EQ(spec.window_padding, arch::WindowPadding::kAttended);
  EXPECT_EQ(spec.read_out, arch::ReadOut::kNormMeanNorm);
}

TEST(VisionLlamaImportTest, ReadsThePlainTrainingState) {
  const TempDir dir;

  const CommandResult result = run_command({"import", weights_of("plain_cls"), "--out", dir / "m"});

  ASSERT_EQ(result.code, 0) << result.error;
  EXPECT_THAT(result.out, HasSubstr("epoch=7"));
  EXPECT_THAT(result.out, HasSubstr("args.opt='fusedlamb'"));
  const app::StoredModel model = app::open_model(dir / "m");
  EXPECT_EQ(model.spec.norm_eps, 1e-6);
  EXPECT_EQ(model.spec.class_token, arch::ClassToken::kFront);
  EXPECT_EQ(model.transform.mode, image::EvalMode::kCenterCrop);
  EXPECT_EQ(model.transform.interpolation, image::Interpolation::kBicubic);
}

TEST(VisionLlamaImportTest, ReadsAMaskedAutoencoderWithForeignClasses) {
  const TempDir dir;

  const CommandResult result =
      run_command({"import", weights_of("mae_forward_grads"), "--out", dir / "m"});

  ASSERT_EQ(result.code, 0) << result.error;
  EXPECT_THAT(result.out, HasSubstr("key state_dict"));
  EXPECT_THAT(result.out, HasSubstr("epoch="));
  EXPECT_THAT(result.log, HasSubstr("decoder_heads = 1"));
  const arch::EncoderSpec spec = app::open_model(dir / "m").spec;
  EXPECT_EQ(spec.height, 48);  // from the stored positions
  EXPECT_EQ(spec.mlp_hidden, 256);
  EXPECT_EQ(spec.class_token, arch::ClassToken::kLate);
  EXPECT_EQ(spec.decoder, arch::Decoder::kMae);
  EXPECT_EQ(spec.decoder_dim, 24);
  EXPECT_EQ(spec.decoder_depth, 1);
  EXPECT_EQ(spec.decoder_mlp_ratio, 4.0);
  EXPECT_EQ(spec.num_classes, 0);
}

TEST(VisionLlamaImportTest, FinetunedModelsHaveNoClassToken) {
  const TempDir dir;

  const CommandResult result =
      run_command({"import", weights_of("ssl_finetune_gap"), "--out", dir / "m"});

  ASSERT_EQ(result.code, 0) << result.error;
  EXPECT_THAT(result.out, HasSubstr("0 missing, 0 unexpected"));  // its unused positions are known
  const arch::EncoderSpec spec = app::open_model(dir / "m").spec;
  EXPECT_EQ(spec.height, 64);
  EXPECT_EQ(spec.class_token, arch::ClassToken::kNone);
  EXPECT_EQ(spec.position, arch::Position::kNone);
  EXPECT_EQ(spec.read_out, arch::ReadOut::kMeanNorm);
  EXPECT_EQ(spec.mlp_hidden, 512);
  EXPECT_TRUE(spec.mlp_bias);
  EXPECT_EQ(spec.layer_scale, 0.0);
}

TEST(VisionLlamaImportTest, NamesTheUnusedTensorsOfTheOneDimensionalClass) {
  const TempDir dir;
  const Format& line = formats()[1];
  Format strict = line;
  strict.partial = false;

  const CommandResult guessed =
      run_command({"import", weights_of(line.name), "--dry-run", "--set", "heads=2"});
  const CommandResult refused = run_command(import_words(strict, weights_of(line.name), dir / "m"));
  const CommandResult told = run_command(import_words(line, weights_of(line.name), dir / "m"));

  EXPECT_THAT(guessed.log, HasSubstr("cls_token and pos_embed are read as"));
  EXPECT_THAT(guessed.log, HasSubstr("--set rotary=line --set read_out=mean"));
  EXPECT_EQ(refused.code, 3);
  EXPECT_THAT(refused.error, HasSubstr("2 unexpected (cls_token, pos_embed)"));
  ASSERT_EQ(told.code, 0) << told.error;
  EXPECT_THAT(told.out, HasSubstr("unexpected  cls_token"));
  EXPECT_THAT(told.out, HasSubstr("0 missing, 2 unexpected, 0 reshaped"));
  EXPECT_THAT(told.log, Not(HasSubstr("are read as")));
}

TEST(VisionLlamaImportTest, AnchorsCoordinatesWhenTold) {
  const TempDir dir;

  const CommandResult result = run_command({"import", weights_of("plain_cls"), "--out", dir / "m",
                                            "--set", "height=448", "--set", "width=448", "--set",
                                            "rope_scaling=anchor", "--set", "rope_anchor=224"});

  ASSERT_EQ(result.code, 0) << result.error;
  EXPECT_THAT(result.log, Not(HasSubstr("AS2DRoPE")));
  const app::StoredModel model = app::open_model(dir / "m");
  EXPECT_EQ(model.spec.rope_scaling, arch::RopeScaling::kAnchor);
  EXPECT_EQ(model.spec.rope_anchor, 224);
  EXPECT_EQ(model.transform.crop_pct, 0.875);  // cropped at every size, not squashed
  EXPECT_EQ(model.transform.mode, image::EvalMode::kCenterCrop);
}

TEST(VisionLlamaImportTest, TakesTheHeadOfALinearProbe) {
  const TempDir dir;
  const std::string from = weights_of("linear_probe_lars");  // the head alone
  std::vector<std::string> words{
      "import", from, "--out", dir / "m", "--partial", "--model", "visionllama_small_patch16_224"};
  for (const char* setting :
       {"dim=24", "depth=1", "heads=1", "layer_scale=0", "mlp_bias=true", "class_token=none",
        "read_out=mean_norm", "head_norm=batch", "num_classes=5"}) {
    words.emplace_back("--set");
    words.emplace_back(setting);
  }

  const CommandResult result = run_command(words);
  const CommandResult exported = run_command(
      {"export", dir / "m", "--to", "official", "--out", dir / "probe.safetensors", "--json"});

  ASSERT_EQ(result.code, 0) << result.error;
  EXPECT_EQ(app::open_model(dir / "m").transform.interpolation, image::Interpolation::kBilinear);
  ASSERT_EQ(exported.code, 0) << exported.error;
  EXPECT_EQ(Json::parse(exported.out)["scheme"], "mmpretrain_probe");
  const auto source = PthFile::open(from);
  const auto official = SafetensorsFile::open(dir / "probe.safetensors");
  for (const std::string& name : source->names()) {
    EXPECT_EQ(official->read(name).to_f64(), source->read(name).to_f64()) << name;
  }
}

}  // namespace
}  // namespace conopa
