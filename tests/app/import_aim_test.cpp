// AIM's checkpoints in, and back out with the same tensors.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "apps/conopa/model_store.h"
#include "apps/conopa/pair_folder.h"
#include "conopa/io/checkpoint.h"
#include "conopa/io/safetensors.h"
#include "tests/app/command_run.h"

namespace conopa {
namespace {

using testing::case_folder;
using testing::CommandResult;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::run_command;
using testing::TempDir;
using testing::write_plain;

const std::filesystem::path kProbe = case_folder("aim/aimv1_probe_last_layers");
const std::filesystem::path kFixed = case_folder("aim/aimv2_fixed");
const std::string kPair = case_folder("aim/aimv2_lit_zeroshot") / "weights.pth";
const std::string kTraining = case_folder("aim/aimv1_pretrain_l3m") / "weights.pth";

struct Content {
  DType dtype;
  Shape shape;
  std::string bytes;
  bool operator==(const Content&) const = default;
};

/// Names, types, shapes and bytes of a checkpoint.
std::map<std::string, Content> content(const std::filesystem::path& path) {
  std::map<std::string, Content> out;
  for (const NamedTensor& named : read_all(*open_checkpoint(path))) {
    const auto bytes = named.tensor.bytes();
    out.emplace(named.name,
                Content{named.tensor.dtype(), named.tensor.shape(),
                        std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size())});
  }
  return out;
}

/// Imports, exports and compares every tensor with the original.
void expect_round_trip(const std::vector<std::string>& import, const std::string& to,
                       const std::filesystem::path& original) {
  const TempDir dir;
  std::vector<std::string> words{"import"};
  words.insert(words.end(), import.begin(), import.end());
  words.insert(words.end(), {"--out", dir / "m"});
  const CommandResult imported = run_command(words);
  ASSERT_EQ(imported.code, 0) << imported.error;
  EXPECT_THAT(imported.out, HasSubstr("0 missing, 0 unexpected, 0 reshaped"));
  const CommandResult exported =
      run_command({"export", dir / "m", "--to", to, "--out", dir / "x.safetensors"});
  ASSERT_EQ(exported.code, 0) << exported.error;
  const auto found = content(dir / "x.safetensors");
  const auto expected = content(original);
  ASSERT_EQ(found.size(), expected.size());
  for (const auto& [name, tensor] : expected) {
    ASSERT_TRUE(found.contains(name)) << name;
    EXPECT_EQ(found.at(name).shape, tensor.shape) << name;
    if (!name.ends_with("pos_embed") || to != "l3m") {  // made anew, see below
      EXPECT_TRUE(found.at(name) == tensor) << name;
    }
  }
}

TEST(ImportAimTest, FilesComeBackByteForByte) {
  expect_round_trip({kProbe / "weights.pth"}, "official", kProbe / "weights.pth");
  expect_round_trip({kFixed}, "official", kFixed / "model.safetensors");
  expect_round_trip({kFixed / "transformers_native"}, "transformers",
                    kFixed / "transformers_native/model.safetensors");
  expect_round_trip({kPair}, "official", kPair);
  expect_round_trip({kTraining}, "l3m", kTraining);
}

TEST(ImportAimTest, SchemesLeadIntoEachOther) {
  const TempDir dir;
  ASSERT_EQ(run_command({"import", kFixed, "--out", dir / "m"}).code, 0);
  for (const std::string to : {"timm", "transformers", "official"}) {
    const std::string file = dir / (to + ".safetensors");
    const CommandResult result = run_command({"export", dir / "m", "--to", to, "--out", file});
    ASSERT_EQ(result.code, 0) << result.error;
    ASSERT_EQ(run_command({"import", file, "--set", "heads=4", "--out", dir / to}).code, 0) << to;
    EXPECT_TRUE(content(dir / to) == content(dir / "m")) << to;
  }
}

TEST(ImportAimTest, TrainingFilesGetTheirPositionsBack) {
  const TempDir dir;
  ASSERT_EQ(run_command({"import", kTraining, "--out", dir / "m"}).code, 0);
  ASSERT_EQ(run_command({"export", dir / "m", "--to", "l3m", "--out", dir / "x.safetensors"}).code,
            0);
  const auto made = open_checkpoint(dir / "x.safetensors");
  const auto original = open_checkpoint(kTraining);
  for (const char* name : {"preprocessor.blocks.0.pos_embed", "head.decoder_pos_embed"}) {
    EXPECT_THAT(made->read(name).to_f32(),
                ::testing::Pointwise(::testing::FloatNear(1e-6F), original->read(name).to_f32()))
        << name;
  }
}

TEST(ImportAimTest, BackboneAndHeadAreOneModel) {
  const TempDir dir;
  const CommandResult result =
      run_command({"import", kProbe / "backbone.pth", "--head", kProbe / "head.pth", "--set",
                   "heads=4", "--layers", "1,2,3", "--out", dir / "m"});
  ASSERT_EQ(result.code, 0) << result.error;
  const app::StoredModel model = app::open_model(dir / "m");
  EXPECT_THAT(model.spec.read_blocks, ElementsAre(1, 2, 3));
  EXPECT_EQ(model.spec.num_classes, 10);
  ASSERT_EQ(run_command({"import", kProbe / "weights.pth", "--out", dir / "whole"}).code, 0);
  EXPECT_TRUE(content(dir / "m") == content(dir / "whole"));
}

TEST(ImportAimTest, PartsAreExportedAsTheyAreReleased) {
  const TempDir dir;
  ASSERT_EQ(run_command({"import", kProbe / "weights.pth", "--out", dir / "m"}).code, 0);
  for (const std::string part : {"backbone", "head"}) {
    const std::string file = dir / (part + ".safetensors");
    const CommandResult result =
        run_command({"export", dir / "m", "--to", "official", "--part", part, "--out", file});
    ASSERT_EQ(result.code, 0) << result.error;
    EXPECT_TRUE(content(file) == content(kProbe / (part + ".pth"))) << part;
  }
}

TEST(ImportAimTest, RefusesAHeadOfAnotherWidth) {
  const TempDir dir;
  std::vector<NamedTensor> head;
  for (const auto& [name, shape] :
       std::map<std::string, Shape>{{"head.cls_token", {1, 1, 64}},
                                    {"head.k.weight", {64, 64}},
                                    {"head.v.weight", {64, 64}},
                                    {"head.linear.weight", {10, 64}},
                                    {"head.bn.running_mean", {64}},
                                    {"head.bn.running_var", {64}},
                                    {"head.bn.num_batches_tracked", {}}}) {
    head.push_back({name, HostTensor::zeros(DType::kF32, shape)});
  }
  write_safetensors(dir / "head.safetensors", head);
  const CommandResult result = run_command(
      {"import", kProbe / "backbone.pth", "--head", dir / "head.safetensors", "--out", dir / "m"});
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.error, HasSubstr("mismatched backbone and head"));
  EXPECT_THAT(result.error, HasSubstr("has width 48, the head is for width 64"));
}

TEST(ImportAimTest, RefusesBlocksThatDoNotExist) {
  const CommandResult result =
      run_command({"import", kProbe / "weights.pth", "--layers", "2,4", "--dry-run"});
  EXPECT_NE(result.code, 0);
  EXPECT_THAT(result.error, HasSubstr("read_blocks must be 0..3, got 4; the model has 4 blocks"));
}

TEST(ImportAimTest, APairIsTwoModelsAndAScale) {
  const TempDir dir;
  const CommandResult result = run_command(
      {"import", kPair, "--set", "heads=4", "--set", "text.heads=2", "--out", dir / "pair"});
  ASSERT_EQ(result.code, 0) << result.error;
  const app::PairFolder pair = app::read_pair_folder(dir / "pair");
  EXPECT_EQ(pair.logit_scale, 2.0);
  EXPECT_EQ(app::open_model(pair.image_path()).spec.heads, 4);
  const app::StoredModel text = app::open_model(pair.text_path());
  EXPECT_EQ(text.spec.heads, 2);
  EXPECT_EQ(text.spec.vocabulary, 64);
}

/// A Hub folder of the fixed model with other texts.
void write_hub(const TempDir& dir, const std::string& config, const std::string& preprocessor) {
  std::filesystem::copy_file(kFixed / "model.safetensors", dir / "model.safetensors",
                             std::filesystem::copy_options::overwrite_existing);
  write_plain(dir / "config.json", config);
  if (!preprocessor.empty()) write_plain(dir / "preprocessor_config.json", preprocessor);
}

constexpr const char* kConfig = R"({"model_type": "aimv2", "hidden_size": 48,
  "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": 56, "patch_size": 14})";

TEST(ImportAimTest, TheHubsPreprocessingIsTaken) {
  const TempDir hub;
  const TempDir dir;
  write_hub(hub, kConfig, R"({"do_resize": true, "size": {"shortest_edge": 64}, "resample": 2,
      "do_center_crop": true, "crop_size": {"height": 56, "width": 56}, "do_rescale": true,
      "rescale_factor": 0.00392156862745098, "do_normalize": true,
      "image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]})");
  const CommandResult result = run_command({"import", hub.path(), "--out", dir / "m"});
  ASSERT_EQ(result.code, 0) << result.error;
  const app::StoredModel model = app::open_model(dir / "m");
  EXPECT_EQ(model.spec.heads, 4);
  EXPECT_EQ(model.transform.resize_short, 64);
  EXPECT_EQ(model.transform.interpolation, image::Interpolation::kBilinear);
  EXPECT_THAT(model.transform.mean, ElementsAre(0.1, 0.2, 0.3));
}

TEST(ImportAimTest, HubTextsThatDoNotFitAreRefused) {
  const TempDir hub;
  write_hub(hub, R"({"hidden_size": 64, "num_hidden_layers": 2})", "");
  EXPECT_THAT(run_command({"import", hub.path(), "--dry-run"}).error,
              HasSubstr("hidden_size is 64, but the tensors of"));
  write_hub(hub, kConfig, R"({"do_normalize": true, "crop_size": 224})");
  EXPECT_THAT(run_command({"import", hub.path(), "--dry-run"}).error,
              HasSubstr("crop_size is 224x224, but the model takes 56x56"));
  write_hub(hub, kConfig, R"({"image_mean": [0.5]})");
  EXPECT_THAT(run_command({"import", hub.path(), "--dry-run"}).error,
              HasSubstr("expected image_mean to be 3 numbers"));
}

TEST(ImportAimTest, ShardsHoldTheSameModel) {
  const TempDir dir;
  ASSERT_EQ(run_command({"import", kFixed, "--out", dir / "one"}).code, 0);
  ASSERT_EQ(run_command({"import", kFixed, "--shard-gb", "0.0001", "--out", dir / "many"}).code, 0);
  EXPECT_TRUE(std::filesystem::exists(dir / "many/model.safetensors.index.json"));
  EXPECT_TRUE(content(dir / "many") == content(dir / "one"));
  EXPECT_EQ(app::open_model(dir / "many").spec.dim, 48);
}

}  // namespace
}  // namespace conopa
