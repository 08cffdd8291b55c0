#include "conopa/llm/source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/core/cast_floats.h"
#include "conopa/core/error.h"
#include "conopa/io/pth_writer.h"
#include "conopa/io/safetensors.h"
#include "conopa/llm/write.h"
#include "tests/io/temp_dir.h"
#include "tests/llm/small_lm.h"

namespace conopa::llm {
namespace {

namespace fs = std::filesystem;
using testing::gguf_entries;
using testing::gguf_tensors;
using ::testing::HasSubstr;
using testing::llm_data;
using testing::message_of;
using testing::random_llama;
using testing::small_llama;
using testing::TempDir;
using testing::write_plain;

TEST(LmSourceTest, OneModelHasOneHashInEveryFormat) {
  const TempDir dir;
  const LmConfig config = small_llama();
  const LmTensors model = random_llama(config, DType::kF16);  // which all three hold exactly
  write_meta(dir / "meta", config, model);
  write_hf(dir / "hub", config, model, {.dtype = DType::kF32});
  write_gguf(dir / "model.gguf", gguf_entries(config), gguf_tensors(config, model, "F16"));
  const std::string hash = LmSource::hash_of(LmSource::open(dir / "meta").layer(1));
  EXPECT_EQ(hash.size(), 16U);
  EXPECT_EQ(LmSource::hash_of(LmSource::open(dir / "hub").layer(1)), hash);
  EXPECT_EQ(LmSource::hash_of(LmSource::open(dir / "model.gguf").layer(1)), hash);
  EXPECT_NE(LmSource::hash_of(LmSource::open(dir / "meta").layer(0)), hash);
}

TEST(LmSourceTest, HashDependsOnNamesShapesAndValues) {
  const float values[] = {1.0F, 2.0F};
  const HostTensor tensor = HostTensor::of<float>(DType::kF32, {2}, values);
  const std::string hash = LmSource::hash_of({{"a", tensor}});
  EXPECT_NE(LmSource::hash_of({{"b", tensor}}), hash);
  EXPECT_NE(LmSource::hash_of({{"a", tensor.reshaped({2, 1})}}), hash);
  EXPECT_NE(LmSource::hash_of({{"a", HostTensor::zeros(DType::kF32, {2})}}), hash);
  EXPECT_EQ(LmSource::hash_of({{"a", cast_floats(tensor, DType::kBF16, "a")}}), hash);
  // Written into checkpoints: it must not change.
  EXPECT_EQ(hash, "fff2c747c1513561");
}

TEST(LmSourceTest, LayersHaveTheElementTypeThatIsAskedFor) {
  const LmSource source = LmSource::open(llm_data("llama_hf"));
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (const auto& [name, tensor] : source.layer(0, {.dtype = dtype})) {
      EXPECT_EQ(tensor.dtype(), dtype) << name;
    }
    EXPECT_EQ(source.final_norm(dtype).at("norm.weight").dtype(), dtype);
  }
  EXPECT_EQ(source.layer(0).at("attn.qkv.weight").dtype(), DType::kF16);
}

TEST(LmSourceTest, ALayerThatIsNotThereIsRefused) {
  const LmSource source = LmSource::open(llm_data("llama_meta"));
  for (const std::int64_t index : {-1, 4, 99}) {
    EXPECT_THAT(message_of<ConfigError>([&] { (void)source.layer(index); }),
                HasSubstr(fmt::format("expected one of the layers 0..3, got {}", index)));
  }
}

TEST(LmSourceTest, TellsWhatItIs) {
  const LmSource meta = LmSource::open(llm_data("llama_meta"));
  EXPECT_EQ(meta.describe(), "consolidated.00.pth (Meta, 4 layers)");
  EXPECT_EQ(meta.config().summary(), "llama, 4 layers, width 40, 4 heads, feed-forward 112");
  EXPECT_EQ(small_llama().summary(),
            "llama, 3 layers, width 32, 4 heads (2 for keys and values), feed-forward 96");
}

TEST(LmConfigTest, CountsTheParametersOfALayer) {
  LmConfig llama_7b;
  llama_7b.dim = 4096;
  llama_7b.heads = llama_7b.kv_heads = 32;
  llama_7b.hidden = 11008;
  EXPECT_EQ(llama_7b.layer_parameters(), 202383360);
  // And those of layers that were read; grouped queries are repeated there, so not of one of them.
  for (const std::string_view name : {"llama_meta", "opt/weights.pth"}) {
    const LmSource source = LmSource::open(llm_data(name));
    std::int64_t sum = 0;
    for (const auto& [key, tensor] : source.layer(0)) sum += tensor.numel();
    EXPECT_EQ(source.config().layer_parameters(), sum) << name;
  }
}

TEST(LmSourceTest, RecognisesLanguageModelsAlone) {
  const TempDir dir;
  const LmConfig config = small_llama();
  write_gguf(dir / "model.gguf", gguf_entries(config),
             gguf_tensors(config, random_llama(config), "F32"));
  write_gguf(dir / "other.gguf", GgufEntries{{"general.architecture", GgufValue::string("conopa")}},
             {});
  write_plain(dir / "text.txt", "hello");
  write_pth(dir / "alone.pth", std::vector<NamedTensor>{});
  for (const fs::path& path :
       {llm_data("llama_meta"), llm_data("llama_hf"), llm_data("llama_meta/consolidated.00.pth"),
        llm_data("opt/weights.pth"), dir / "model.gguf"}) {
    EXPECT_TRUE(LmSource::recognises(path)) << path;
  }
  for (const fs::path& path :
       {dir / "other.gguf", dir / "text.txt", dir / "alone.pth", dir / "missing", dir.path()}) {
    EXPECT_FALSE(LmSource::recognises(path)) << path;
  }
}

TEST(LmSourceTest, WhatIsNoLanguageModelIsRefused) {
  const TempDir dir;
  EXPECT_THAT(message_of<FormatError>([&] { (void)LmSource::open(dir.path()); }),
              HasSubstr("expected a language model"));
  EXPECT_THROW((void)LmSource::open(dir / "missing"), IoError);
  write_pth(dir / "alone.pth", std::vector<NamedTensor>{});
  EXPECT_THAT(message_of<IoError>([&] { (void)LmSource::open(dir / "alone.pth"); }),
              HasSubstr("expected config.json or params.json beside the weights"));
  fs::copy(llm_data("llama_meta/consolidated.00.pth"), dir / "consolidated.00.pth");
  EXPECT_THAT(message_of<IoError>([&] { (void)LmSource::open(dir.path()); }),
              HasSubstr("expected params.json beside consolidated.00.pth"));
}

}  // namespace
}  // namespace conopa::llm
