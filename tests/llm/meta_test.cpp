// Meta's form: one file, shards, and what can be wrong with them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/core/error.h"
#include "conopa/io/checkpoint.h"
#include "conopa/io/pth_writer.h"
#include "conopa/llm/source.h"
#include "conopa/llm/write.h"
#include "tests/io/pth_testing.h"
#include "tests/llm/small_lm.h"

namespace conopa::llm {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using testing::expected_layer;
using ::testing::HasSubstr;
using testing::message_of;
using testing::random_llama;
using testing::same_tensors;
using testing::small_llama;
using testing::TempDir;
using testing::write_meta_shards;
using testing::write_plain;

class MetaShardsTest : public ::testing::TestWithParam<std::int64_t> {};

TEST_P(MetaShardsTest, ShardsJoinToTheWholeModel) {
  const TempDir dir;
  const LmConfig config = small_llama();
  const LmTensors model = random_llama(config);
  write_meta_shards(dir.path(), config, model, GetParam());
  const LmSource source = LmSource::open(dir.path());
  LmConfig expected = config;
  expected.context = 0;  // the form has no place for it
  EXPECT_EQ(source.config(), expected);
  for (std::int64_t i = 0; i < config.layers; ++i) {
    EXPECT_TRUE(same_tensors(source.layer(i), expected_layer(config, model, i))) << i;
  }
  EXPECT_EQ(source.final_norm().at("norm.weight").to_f32(), model.at("norm.weight").to_f32());
}

INSTANTIATE_TEST_SUITE_P(Counts, MetaShardsTest, ::testing::Values(1, 2, 4));

TEST(MetaTest, OneShardStandsForAll) {
  const TempDir dir;
  const LmConfig config = small_llama();
  const LmTensors model = random_llama(config);
  write_meta_shards(dir.path(), config, model, 2);
  const LmSource source = LmSource::open(dir / "consolidated.01.pth");
  EXPECT_TRUE(same_tensors(source.layer(1), expected_layer(config, model, 1)));
  EXPECT_EQ(source.describe(), "consolidated.00.pth to consolidated.01.pth (Meta, 3 layers)");
}

TEST(MetaTest, AnyShardThatIsMissingIsRefused) {
  for (const auto& [file, message] :
       {std::pair{"consolidated.00.pth", "no consolidated.00.pth"},
        std::pair{"consolidated.02.pth", "no consolidated.02.pth"},
        std::pair{"consolidated.03.pth", "expected a feed-forward width of 96"}}) {
    const TempDir dir;
    const LmConfig config = small_llama();
    write_meta_shards(dir.path(), config, random_llama(config), 4);
    fs::remove(dir / file);
    EXPECT_THAT(message_of<Error>([&] { (void)LmSource::open(dir.path()); }), HasSubstr(message));
  }
}

TEST(MetaTest, ALastShardThatIsMissingShowsInTheShapes) {
  // Without the feed-forward rule, only the layer's shapes tell.
  const TempDir dir;
  const LmConfig config = small_llama();
  write_meta_shards(dir.path(), config, random_llama(config), 2);
  fs::remove(dir / "consolidated.01.pth");
  write_plain(dir / "params.json", R"({"dim": 32, "n_layers": 3, "n_heads": 4, "n_kv_heads": 2})");
  const LmSource source = LmSource::open(dir.path());
  EXPECT_THAT(message_of<FormatError>([&] { (void)source.layer(0); }),
              AllOf(HasSubstr("layers.0.attention.wq.weight of shape [32, 32], found [16, 32]"),
                    HasSubstr("a shard is missing")));
}

TEST(MetaTest, NoShardAtAllIsRefused) {
  const TempDir dir;
  write_plain(dir / "params.json", "{}");
  EXPECT_THAT(message_of<IoError>([&] { (void)LmSource::open(dir.path()); }),
              HasSubstr("expected consolidated.00.pth"));
}

TEST(MetaTest, MissingTensorsAreListed) {
  const TempDir dir;
  const LmConfig config = small_llama();
  write_meta(dir.path(), config, random_llama(config));
  write_pth(dir / "consolidated.00.pth",
            testing::without(*open_checkpoint(dir / "consolidated.00.pth"), "layers.2.feed"));
  const LmSource source = LmSource::open(dir.path());
  EXPECT_NO_THROW((void)source.layer(1));
  EXPECT_THAT(message_of<FormatError>([&] { (void)source.layer(2); }),
              AllOf(HasSubstr("9 tensors of layer 2, 3 are missing: "),
                    HasSubstr("layers.2.feed_forward.w1.weight, layers.2.feed_forward.w3.weight, "
                              "layers.2.feed_forward.w2.weight")));
}

TEST(MetaTest, AFinalNormThatIsMissingIsRefused) {
  const TempDir dir;
  const LmConfig config = small_llama();
  write_meta(dir.path(), config, random_llama(config));
  std::vector<NamedTensor> tensors = read_all(*open_checkpoint(dir / "consolidated.00.pth"));
  std::erase_if(tensors, [](const NamedTensor& named) { return named.name == "norm.weight"; });
  write_pth(dir / "consolidated.00.pth", tensors);
  const LmSource source = LmSource::open(dir.path());
  EXPECT_THAT(message_of<FormatError>([&] { (void)source.final_norm(); }),
              HasSubstr("the final norm, 1 is missing: norm.weight"));
}

TEST(MetaTest, OldTensorsOfRotaryFrequenciesAreIgnored) {
  const TempDir dir;
  const LmConfig config = small_llama();
  const LmTensors model = random_llama(config);
  write_meta(dir.path(), config, model);
  std::vector<NamedTensor> tensors = read_all(*open_checkpoint(dir / "consolidated.00.pth"));
  const HostTensor freqs = HostTensor::zeros(DType::kF32, {4});
  tensors.push_back({"rope.freqs", freqs});
  tensors.push_back({"layers.1.attention.inner_attention.rope.freqs", freqs});
  write_pth(dir / "consolidated.00.pth", tensors);
  EXPECT_TRUE(same_tensors(LmSource::open(dir.path()).layer(1), expected_layer(config, model, 1)));
}

TEST(MetaTest, TensorsThatABlockDoesNotHaveAreRefused) {
  const TempDir dir;
  const LmConfig config = small_llama();
  write_meta(dir.path(), config, random_llama(config));
  std::vector<NamedTensor> tensors = read_all(*open_checkpoint(dir / "consolidated.00.pth"));
  tensors.push_back({"layers.1.attention.wq.bias", HostTensor::zeros(DType::kF32, {32})});
  write_pth(dir / "consolidated.00.pth", tensors);
  const LmSource source = LmSource::open(dir.path());
  EXPECT_NO_THROW((void)source.layer(0));
  EXPECT_THAT(message_of<UnsupportedError>([&] { (void)source.layer(1); }),
              HasSubstr("layers.1.attention.wq.bias"));
}

TEST(MetaTest, ParametersAreChecked) {
  struct Bad {
    std::string_view params;
    std::string_view message;
  };
  for (const Bad& bad : {
           Bad{"[]", "expected a JSON object"},
           Bad{"{", "expected a JSON object"},
           Bad{R"({"n_layers": 3, "n_heads": 4})", "an integer under 'dim', found nothing"},
           Bad{R"({"dim": "x", "n_layers": 3, "n_heads": 4})", R"('dim', found "x")"},
           Bad{R"({"dim": 1e9, "n_layers": 3, "n_heads": 4})", "an integer under 'dim'"},
           Bad{R"({"dim": 99999999999, "n_layers": 3, "n_heads": 4})", "a width from 1"},
           Bad{R"({"dim": 32, "n_layers": 0, "n_heads": 4})", "a number of layers from 1"},
           Bad{R"({"dim": 32, "n_layers": 3, "n_heads": 5})", "that 5 heads divide"},
           Bad{R"({"dim": 32, "n_layers": 3, "n_heads": 4, "n_kv_heads": 3})", "3 key heads"},
           Bad{R"({"dim": 32, "n_layers": 3, "n_heads": 32})", "an even width"},
           Bad{R"({"dim": 32, "n_layers": 3, "n_heads": 4, "norm_eps": -1})", "epsilon"},
           Bad{R"({"dim": 32, "n_layers": 3, "n_heads": 4, "multiple_of": 0})", "multiple_of from"},
           Bad{R"({"dim": 32, "n_layers": 3, "n_heads": 4, "multiple_of": 64})",
               "a feed-forward width of 128 by params.json, found 96 rows"},
           Bad{R"({"dim": 32, "n_layers": 3, "n_heads": 4, "multiple_of": 1,
                   "ffn_dim_multiplier": 1e300})",
               "ffn_dim_multiplier"},
           Bad{R"({"dim": 32, "n_layers": 3, "n_heads": 4, "head_dim": 16})", "heads of width"},
       }) {
    const TempDir dir;
    const LmConfig config = small_llama();
    write_meta(dir.path(), config, random_llama(config));
    write_plain(dir / "params.json", bad.params);
    EXPECT_THAT(message_of<Error>([&] { (void)LmSource::open(dir.path()); }),
                AllOf(HasSubstr("params.json"), HasSubstr(std::string(bad.message))))
        << bad.params;
  }
}

TEST(MetaTest, ParametersMayLackWhatShapesTell) {
  const TempDir dir;
  LmConfig config = small_llama();
  write_meta(dir.path(), config, random_llama(config));
  write_plain(dir / "params.json",
              R"({"dim": 32, "n_layers": 3, "n_heads": 4, "n_kv_heads": 2, "vocab_size": -1})");
  const LmSource source = LmSource::open(dir.path());
  EXPECT_EQ(source.config().hidden, config.hidden);
  EXPECT_EQ(source.config().vocabulary, config.vocabulary);
}

/// A checkpoint whose storages, but those of layer `whole`, are damaged.
std::string partly_damaged(const fs::path& original, std::int64_t whole) {
  const auto source = open_checkpoint(original);
  const std::string prefix = "layers." + std::to_string(whole) + ".";
  testing::PickleBuilder pickle;
  pickle.proto().dict();
  testing::ZipBuilder storages;
  std::int32_t key = 0;
  for (const std::string& name : source->names()) {
    const HostTensor tensor = source->read(name);
    std::vector<std::int32_t> shape(tensor.shape().begin(), tensor.shape().end());
    const std::vector<std::int32_t> strides =
        shape.size() == 2 ? std::vector<std::int32_t>{shape[1], 1} : std::vector<std::int32_t>{1};
    const auto numel = static_cast<std::int32_t>(tensor.numel());
    pickle.string(name).tensor("FloatStorage", std::to_string(key), numel, 0, shape, strides);
    pickle.set_item();
    const std::string file = "archive/data/" + std::to_string(key++);
    if (name.starts_with(prefix)) {
      const auto* bytes = reinterpret_cast<const char*>(tensor.bytes().data());
      storages.stored(file, {bytes, tensor.bytes().size()});
    } else {
      storages.lying(file, "no such tensor", tensor.bytes().size());
    }
  }
  return storages.stored("archive/data.pkl", pickle.stop())
      .stored("archive/version", "3\n")
      .bytes();
}

TEST(MetaTest, OtherLayersAreNotRead) {
  const TempDir dir;
  const LmConfig config = small_llama();
  const LmTensors model = random_llama(config);
  write_meta(dir.path(), config, model);
  write_plain(dir / "consolidated.00.pth", partly_damaged(dir / "consolidated.00.pth", 1));
  const LmSource source = LmSource::open(dir.path());
  EXPECT_TRUE(same_tensors(source.layer(1), expected_layer(config, model, 1)));
  EXPECT_THROW((void)source.layer(0), FormatError);
  EXPECT_THROW((void)source.layer(2), FormatError);
}

}  // namespace
}  // namespace conopa::llm
