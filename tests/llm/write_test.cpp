#include "conopa/llm/write.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "conopa/core/error.h"
#include "conopa/io/checkpoint.h"
#include "conopa/io/pth_writer.h"
#include "conopa/llm/row_order.h"
#include "conopa/llm/source.h"
#include "llm/feed_forward_width.h"
#include "tests/io/temp_dir.h"
#include "tests/llm/small_lm.h"

namespace conopa::llm {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::message_of;
using testing::random_llama;
using testing::read_plain;
using testing::same_tensors;
using testing::small_llama;
using testing::TempDir;
using Json = nlohmann::json;

using Writer = void (*)(const fs::path&, const LmConfig&, const LmTensors&, const WriteOptions&);
constexpr Writer kWriters[] = {write_meta, write_hf};

TEST(LmWriteTest, EverySizeReturns) {
  struct Size {
    std::int64_t dim, heads, kv_heads, hidden;
  };
  for (const Size& size : {Size{32, 4, 4, 96}, Size{32, 4, 1, 86}, Size{48, 3, 3, 200},
                           Size{64, 2, 2, 100}, Size{64, 8, 4, 7}}) {
    LmConfig config = small_llama();
    config.dim = size.dim;
    config.heads = size.heads;
    config.kv_heads = size.kv_heads;
    config.hidden = size.hidden;
    config.rope_theta = 500000.0;
    const LmTensors model = random_llama(config);
    for (const Writer write : kWriters) {
      const TempDir dir;
      write(dir.path(), config, model, {});
      const LmSource source = LmSource::open(dir.path());
      LmConfig expected = config;
      expected.context = source.config().context;
      EXPECT_EQ(source.config(), expected);
      for (std::int64_t i = 0; i < config.layers; ++i) {
        EXPECT_TRUE(same_tensors(source.layer(i), testing::expected_layer(config, model, i)));
      }
    }
  }
}

TEST(LmWriteTest, NamesAndOrderAreThoseOfTheReleasedFiles) {
  // The same model in both forms, written by other software.
  const auto meta = open_checkpoint(testing::llm_data("llama_meta/consolidated.00.pth"));
  const auto hub = open_checkpoint(testing::llm_data("llama_hf"));
  const LmSource source = LmSource::open(testing::llm_data("llama_meta"));
  LmTensors model{{"token_embed.weight", meta->read("tok_embeddings.weight")},
                  {"norm.weight", meta->read("norm.weight")},
                  {"head.weight", meta->read("output.weight")}};
  for (std::int64_t i = 0; i < source.config().layers; ++i) {
    for (const auto& [name, tensor] : source.layer(i)) {
      model.emplace(fmt::format("blocks.{}.{}", i, name), tensor);
    }
  }
  const TempDir dir;
  write_meta(dir / "meta", source.config(), model);
  write_hf(dir / "hub", source.config(), model);
  for (const auto& [ours, theirs] :
       {std::pair{dir / "meta", meta.get()}, std::pair{dir / "hub", hub.get()}}) {
    const auto written = open_checkpoint(ours);
    for (const std::string& name : theirs->names()) {
      if (name.find("rope.freqs") != std::string::npos) continue;
      ASSERT_TRUE(written->contains(name)) << name;
      EXPECT_EQ(written->read(name).dtype(), theirs->read(name).dtype()) << name;
      EXPECT_EQ(written->read(name).to_f32(), theirs->read(name).to_f32()) << name;
    }
  }
  const Json params = Json::parse(read_plain(dir / "meta/params.json"));
  EXPECT_EQ(params.at("multiple_of"), 16);
  EXPECT_EQ(params.at("dim"), 40);
  const Json config = Json::parse(read_plain(dir / "hub/config.json"));
  EXPECT_EQ(config.at("torch_dtype"), "float16");
  EXPECT_EQ(config.at("architectures"), Json({"LlamaForCausalLM"}));
}

TEST(LmWriteTest, ElementTypeCanBeChosen) {
  const LmConfig config = small_llama();
  for (const Writer write : kWriters) {
    const TempDir dir;
    write(dir.path(), config, random_llama(config), {.dtype = DType::kBF16});
    EXPECT_EQ(LmSource::open(dir.path()).layer(0).at("norm1.weight").dtype(), DType::kBF16);
  }
}

TEST(LmWriteTest, FaultsAreListedAndNothingIsWritten) {
  const LmConfig config = small_llama();
  for (const Writer write : kWriters) {
    const TempDir dir;
    LmTensors model = random_llama(config);
    model.erase("norm.weight");
    model.at("head.weight") = HostTensor::zeros(DType::kF32, {3, 32});
    model.emplace("extra", HostTensor::zeros(DType::kF32, {1}));
    const std::string message =
        message_of<FormatError>([&] { write(dir / "out", config, model, {}); });
    EXPECT_THAT(message, AllOf(HasSubstr("3 faults"), HasSubstr("norm.weight is missing"),
                               HasSubstr("head.weight has shape [3, 32] instead of [10, 32]"),
                               HasSubstr("extra is unknown")));
    EXPECT_THAT(dir.names(), ::testing::IsEmpty());
  }
}

TEST(LmWriteTest, OtherBlocksAreRefused) {
  const TempDir dir;
  LmConfig config = small_llama();
  const LmTensors model = random_llama(config);
  config.relu = true;
  for (const Writer write : kWriters) {
    EXPECT_THROW(write(dir / "out", config, model, {}), UnsupportedError);
  }
}

TEST(LmWriteTest, OldShardsAreNotMixedWithNewOnes) {
  const TempDir dir;
  const LmConfig config = small_llama();
  write_pth(dir / "consolidated.01.pth", std::vector<NamedTensor>{});
  EXPECT_THAT(
      message_of<FormatError>([&] { write_meta(dir.path(), config, random_llama(config)); }),
      HasSubstr("consolidated.01.pth"));
}

TEST(FeedForwardWidthTest, IsTheReleasedRule) {
  struct Row {
    std::int64_t dim, multiple_of;
    std::optional<double> multiplier;
    std::int64_t width;
  };
  // LLaMA 7B, 13B, 65B; LLaMA-2 70B; LLaMA-3 8B, 70B; LLaMA-3.2 1B.
  for (const Row& row :
       {Row{4096, 256, {}, 11008}, Row{5120, 256, {}, 13824}, Row{8192, 256, {}, 22016},
        Row{8192, 4096, 1.3, 28672}, Row{4096, 1024, 1.3, 14336}, Row{8192, 4096, 1.3, 28672},
        Row{2048, 256, 1.5, 8192}}) {
    EXPECT_EQ(feed_forward_width(row.dim, row.multiple_of, row.multiplier, "x"), row.width);
  }
}

TEST(FeedForwardWidthTest, EveryWidthHasARule) {
  for (const std::int64_t dim : {1, 3, 40, 64, 4096}) {
    for (std::int64_t hidden = 1; hidden < 700; ++hidden) {
      const FeedForwardRule rule = feed_forward_rule(dim, hidden);
      ASSERT_EQ(feed_forward_width(dim, rule.multiple_of, rule.multiplier, "x"), hidden)
          << dim << " " << hidden;
    }
  }
}

}  // namespace
}  // namespace conopa::llm
