// The hub's form: kinds of models, names, files, and what can be wrong with them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "conopa/core/error.h"
#include "conopa/io/checkpoint.h"
#include "conopa/io/pth_writer.h"
#include "conopa/io/safetensors.h"
#include "conopa/io/sharded.h"
#include "conopa/llm/source.h"
#include "conopa/llm/write.h"
#include "tests/io/temp_dir.h"
#include "tests/llm/small_lm.h"

namespace conopa::llm {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using testing::expected_layer;
using ::testing::HasSubstr;
using testing::llm_data;
using testing::message_of;
using testing::random_llama;
using testing::read_plain;
using testing::same_tensors;
using testing::small_llama;
using testing::TempDir;
using testing::write_plain;
using Json = nlohmann::json;

/// Changes fields of a folder's config.json; null removes one.
void change_config(const fs::path& folder, const Json& changes) {
  Json config = Json::parse(read_plain(folder / "config.json"));
  config.merge_patch(changes);
  write_plain(folder / "config.json", config.dump());
}

/// Replaces the one file of a folder's weights by tensors under other names.
void rename_tensors(const fs::path& folder, std::string_view from, std::string_view to) {
  std::vector<NamedTensor> tensors = read_all(*open_checkpoint(folder / "model.safetensors"));
  for (NamedTensor& named : tensors) {
    if (named.name.starts_with(from)) named.name.replace(0, from.size(), to);
  }
  write_safetensors(folder / "model.safetensors", tensors);
}

class HuggingFaceTest : public ::testing::Test {
 protected:
  HuggingFaceTest() { write_hf(dir_.path(), config_, model_); }

  void expect_the_model() const {
    const LmSource source = LmSource::open(dir_.path());
    EXPECT_EQ(source.config(), config_);
    for (std::int64_t i = 0; i < config_.layers; ++i) {
      EXPECT_TRUE(same_tensors(source.layer(i), expected_layer(config_, model_, i))) << i;
    }
    EXPECT_EQ(source.final_norm().at("norm.weight").to_f32(), model_.at("norm.weight").to_f32());
  }

  TempDir dir_;
  LmConfig config_ = small_llama();
  LmTensors model_ = random_llama(config_);
};

TEST_F(HuggingFaceTest, OneSafetensorsFile) { expect_the_model(); }

TEST_F(HuggingFaceTest, SeveralSafetensorsFiles) {
  const std::vector<NamedTensor> tensors = read_all(*open_checkpoint(dir_.path()));
  const TempDir other;
  write_sharded(other.path(), tensors, {}, 20'000);
  fs::remove(dir_ / "model.safetensors");
  ASSERT_GT(other.names().size(), 3U);
  for (const std::string& name : other.names()) fs::copy(other / name, dir_ / name);
  expect_the_model();
  EXPECT_EQ(LmSource::open(dir_.path()).describe(),
            "model.safetensors.index.json (Hugging Face, 3 layers)");
}

TEST_F(HuggingFaceTest, OneBinFile) {
  write_pth(dir_ / "pytorch_model.bin", read_all(*open_checkpoint(dir_.path())));
  fs::remove(dir_ / "model.safetensors");
  expect_the_model();
}

TEST_F(HuggingFaceTest, SeveralBinFiles) {
  const std::vector<NamedTensor> all = read_all(*open_checkpoint(dir_.path()));
  Json index{{"weight_map", Json::object()}};
  for (std::size_t half = 0; half < 2; ++half) {
    const std::string file = fmt::format("pytorch_model-0000{}-of-00002.bin", half + 1);
    std::vector<NamedTensor> part;
    for (std::size_t i = half; i < all.size(); i += 2) {
      part.push_back(all[i]);
      index["weight_map"][all[i].name] = file;
    }
    write_pth(dir_ / file, part);
  }
  write_plain(dir_ / "pytorch_model.bin.index.json", index.dump());
  fs::remove(dir_ / "model.safetensors");
  expect_the_model();
}

TEST_F(HuggingFaceTest, AMissingShardIsNamed) {
  const std::vector<NamedTensor> tensors = read_all(*open_checkpoint(dir_.path()));
  fs::remove(dir_ / "model.safetensors");
  write_sharded(dir_.path(), tensors, {}, 40'000);
  fs::remove(dir_ / "model-00002-of-00004.safetensors");
  EXPECT_THAT(message_of<IoError>([&] { (void)LmSource::open(dir_.path()); }),
              HasSubstr("expected shard 'model-00002-of-0000"));
}

TEST_F(HuggingFaceTest, NamesWithoutPrefix) {
  rename_tensors(dir_.path(), "model.", "");
  expect_the_model();
}

TEST_F(HuggingFaceTest, MistralIsTheSameBlock) {
  change_config(dir_.path(), {{"model_type", "mistral"}, {"sliding_window", 4096}});
  expect_the_model();
}

TEST_F(HuggingFaceTest, TheClassNameWillDo) {
  change_config(dir_.path(), {{"model_type", nullptr}, {"architectures", {"LlamaModel"}}});
  expect_the_model();
}

TEST_F(HuggingFaceTest, OtherBlocksAreRefused) {
  struct Bad {
    Json change;
    std::string_view message;
  };
  const std::vector<Bad> cases{
      {{{"model_type", "qwen2"}}, "found 'qwen2'"},
      {{{"model_type", nullptr}, {"architectures", nullptr}}, "found 'nothing'"},
      {{{"hidden_act", "gelu"}}, "hidden_act 'silu', found 'gelu'"},
      {{{"attention_bias", true}}, "attention_bias false, found true"},
      {{{"mlp_bias", true}}, "mlp_bias false, found true"},
      {{{"head_dim", 16}}, "heads of width hidden_size/num_attention_heads = 8, found 16"},
      {{{"hidden_size", nullptr}}, "'hidden_size', found nothing"},
      {{{"rms_norm_eps", "tiny"}}, R"('rms_norm_eps', found "tiny")"}};
  for (const Bad& bad : cases) {
    const TempDir copy;
    fs::copy(dir_.path(), copy.path(), fs::copy_options::recursive);
    change_config(copy.path(), bad.change);
    EXPECT_THAT(message_of<Error>([&] { (void)LmSource::open(copy.path()); }),
                AllOf(HasSubstr("config.json"), HasSubstr(std::string(bad.message))))
        << bad.change;
  }
}

TEST_F(HuggingFaceTest, BiasesThatTheConfigDoesNotTellAreRefused) {
  std::vector<NamedTensor> tensors = read_all(*open_checkpoint(dir_.path()));
  tensors.push_back({"model.layers.0.self_attn.q_proj.bias", HostTensor::zeros(DType::kF32, {32})});
  write_safetensors(dir_ / "model.safetensors", tensors);
  EXPECT_THAT(message_of<UnsupportedError>([&] { (void)LmSource::open(dir_.path()).layer(0); }),
              AllOf(HasSubstr("a llama block does not have"), HasSubstr("self_attn.q_proj.bias")));
}

TEST_F(HuggingFaceTest, OtherShapesAreRefused) {
  change_config(dir_.path(), {{"intermediate_size", 128}});
  EXPECT_THAT(message_of<FormatError>([&] { (void)LmSource::open(dir_.path()).layer(0); }),
              HasSubstr("mlp.gate_proj.weight of shape [128, 32], found [96, 32]"));
}

TEST_F(HuggingFaceTest, OtherNamesAreRefused) {
  rename_tensors(dir_.path(), "model.layers.", "transformer.h.");
  EXPECT_THAT(message_of<FormatError>([&] { (void)LmSource::open(dir_.path()); }),
              HasSubstr("expected tensors such as model.layers.0.input_layernorm.weight"));
}

TEST_F(HuggingFaceTest, IntegersAreNoWeights) {
  std::vector<NamedTensor> tensors =
      testing::without(*open_checkpoint(dir_.path()), "layers.0.self_attn.o_proj");
  tensors.push_back(
      {"model.layers.0.self_attn.o_proj.weight", HostTensor::zeros(DType::kI8, {32, 32})});
  write_safetensors(dir_ / "model.safetensors", tensors);
  EXPECT_THAT(message_of<UnsupportedError>([&] { (void)LmSource::open(dir_.path()).layer(0); }),
              HasSubstr("element type I8"));
}

TEST_F(HuggingFaceTest, OtherLayersAreNotRead) {
  // A type that can be listed, and not read.
  const auto source = open_checkpoint(dir_.path());
  Json header = Json::object();
  std::string data;
  for (const std::string& name : source->names()) {
    const HostTensor tensor = source->read(name);
    const bool wanted = name.find("layers.1.") != std::string::npos;
    const auto* bytes = reinterpret_cast<const char*>(tensor.bytes().data());
    const std::size_t begin = data.size();
    data += wanted ? std::string(bytes, tensor.bytes().size())
                   : std::string(static_cast<std::size_t>(tensor.numel()), 'x');
    header[name] = {{"dtype", wanted ? "F32" : "F8_E5M2"},
                    {"shape", tensor.shape()},
                    {"data_offsets", {begin, data.size()}}};
  }
  const std::string text = header.dump();
  write_plain(dir_ / "model.safetensors", testing::raw<std::uint64_t>({text.size()}) + text + data);
  const LmSource damaged = LmSource::open(dir_.path());
  EXPECT_TRUE(same_tensors(damaged.layer(1), expected_layer(config_, model_, 1)));
  EXPECT_THROW((void)damaged.layer(0), UnsupportedError);
}

/// A copy of the OPT of the parity data with some fields and names changed.
void copy_opt(const fs::path& folder, const Json& changes, std::string_view base) {
  fs::copy(llm_data("opt/config.json"), folder / "config.json");
  change_config(folder, changes);
  write_safetensors(folder / "model.safetensors",
                    read_all(*open_checkpoint(llm_data("opt/weights.pth"))));
  rename_tensors(folder, "model.decoder.", base);
}

TEST(OptTest, ConfigDescribesTheBlock) {
  const LmConfig config = LmSource::open(llm_data("opt/weights.pth")).config();
  EXPECT_EQ(config.kind, "opt");
  EXPECT_EQ(config.hidden, 96);
  EXPECT_EQ(config.norm, arch::Norm::kLayer);
  EXPECT_EQ(config.norm_eps, 1e-5);
  EXPECT_TRUE(config.bias);
  EXPECT_TRUE(config.relu);
  EXPECT_FALSE(config.post_norm);
  EXPECT_EQ(config.rope_theta, 0.0);
}

TEST(OptTest, EveryPrefixIsUnderstood) {
  const LmTensors expected = LmSource::open(llm_data("opt/weights.pth")).layer(1);
  for (const std::string_view base : {"model.decoder.", "decoder.", ""}) {
    const TempDir dir;
    copy_opt(dir.path(), Json::object(), base);
    const LmSource source = LmSource::open(dir.path());
    EXPECT_TRUE(same_tensors(source.layer(1), expected)) << base;
    EXPECT_EQ(source.final_norm().size(), 2U) << base;
  }
}

TEST(OptTest, PostNormHasNoFinalNorm) {
  const TempDir dir;
  // As in OPT-350M, whose embeddings are narrower too.
  copy_opt(dir.path(), {{"do_layer_norm_before", false}, {"word_embed_proj_dim", 24}}, "decoder.");
  write_safetensors(dir / "model.safetensors",
                    testing::without(*open_checkpoint(dir.path()), "decoder.final_layer_norm"));
  const LmSource source = LmSource::open(dir.path());
  EXPECT_TRUE(source.config().post_norm);
  EXPECT_EQ(source.layer(0).size(), 12U);
  EXPECT_TRUE(source.final_norm().empty());
}

TEST(OptTest, WithoutBiasesNormsKeepTheirs) {
  const TempDir dir;
  copy_opt(dir.path(), {{"enable_bias", false}}, "decoder.");
  std::vector<NamedTensor> tensors = read_all(*open_checkpoint(dir.path()));
  std::erase_if(tensors, [](const NamedTensor& named) {
    return named.name.ends_with(".bias") && named.name.find("norm") == std::string::npos;
  });
  write_safetensors(dir / "model.safetensors", tensors);
  const LmTensors layer = LmSource::open(dir.path()).layer(0);
  EXPECT_TRUE(layer.contains("norm1.bias"));
  EXPECT_FALSE(layer.contains("attn.qkv.bias"));
}

TEST(OptTest, OtherBlocksAreRefused) {
  for (const Json& change :
       {Json{{"activation_function", "gelu"}}, Json{{"layer_norm_elementwise_affine", false}}}) {
    const TempDir dir;
    copy_opt(dir.path(), change, "decoder.");
    EXPECT_THROW((void)LmSource::open(dir.path()), UnsupportedError) << change;
  }
}

}  // namespace
}  // namespace conopa::llm
