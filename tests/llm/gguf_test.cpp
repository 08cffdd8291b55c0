// GGUF files: element types, metadata, and what can be wrong with them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "conopa/core/error.h"
#include "conopa/llm/source.h"
#include "tests/io/gguf_builder.h"
#include "tests/llm/small_lm.h"

namespace conopa::llm {
namespace {

using ::testing::AllOf;
using testing::expected_layer;
using testing::gguf_entries;
using testing::gguf_tensors;
using ::testing::HasSubstr;
using testing::message_of;
using testing::random_llama;
using testing::read_plain;
using testing::same_tensors;
using testing::small_llama;
using testing::TempDir;
using testing::write_plain;

class GgufLayerTest : public ::testing::Test {
 protected:
  void write(const GgufEntries& entries, const std::vector<GgufTensor>& tensors) const {
    write_gguf(path(), entries, tensors);
  }
  [[nodiscard]] std::filesystem::path path() const { return dir_ / "model.gguf"; }
  [[nodiscard]] LmSource open() const { return LmSource::open(path()); }

  TempDir dir_;
  LmConfig config_ = small_llama();
  LmTensors model_ = random_llama(config_);
};

TEST_F(GgufLayerTest, FloatsAreThoseOfTheModel) {
  write(gguf_entries(config_), gguf_tensors(config_, model_, "F32"));
  const LmSource source = open();
  EXPECT_EQ(source.config(), config_);
  for (std::int64_t i = 0; i < config_.layers; ++i) {
    EXPECT_TRUE(same_tensors(source.layer(i), expected_layer(config_, model_, i))) << i;
  }
  EXPECT_EQ(source.final_norm().at("norm.weight").to_f32(), model_.at("norm.weight").to_f32());
  EXPECT_EQ(source.describe(), "model.gguf (GGUF, 3 layers)");
}

TEST_F(GgufLayerTest, AFolderWithOneFileWillDo) {
  write(gguf_entries(config_), gguf_tensors(config_, model_, "F32"));
  EXPECT_EQ(LmSource::open(dir_.path()).config(), config_);
  write_gguf(dir_ / "other.gguf", gguf_entries(config_), gguf_tensors(config_, model_, "F32"));
  EXPECT_THROW((void)LmSource::open(dir_.path()), FormatError);
}

struct TypeRow {
  std::string_view type;
  DType read_as;
  double error;  // largest, over the row's largest magnitude
};

class GgufTypeTest : public GgufLayerTest, public ::testing::WithParamInterface<TypeRow> {};

// Half a step of each type: 2^-11, 2^-8, 1/254 and, as its range is not symmetric, 1/8 of a block.
TEST_P(GgufTypeTest, MatricesAreWithinTheirSteps) {
  write(gguf_entries(config_), gguf_tensors(config_, model_, GetParam().type));
  const LmTensors layer = open().layer(1);
  for (const auto& [name, expected] : expected_layer(config_, model_, 1)) {
    const HostTensor& found = layer.at(name);
    const bool matrix = expected.shape().size() == 2;
    EXPECT_EQ(found.dtype(), matrix ? GetParam().read_as : DType::kF32) << name;
    ASSERT_EQ(found.shape(), expected.shape());
    const std::vector<float> a = found.to_f32();
    const std::vector<float> b = expected.to_f32();
    float largest = 0.0F;
    for (const float value : b) largest = std::max(largest, std::abs(value));
    for (std::size_t i = 0; i < a.size(); ++i) {
      ASSERT_NEAR(a[i], b[i], matrix ? GetParam().error * largest : 0.0) << name << " " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, GgufTypeTest,
                         ::testing::Values(TypeRow{"F16", DType::kF16, 0.0005},
                                           TypeRow{"BF16", DType::kBF16, 0.004},
                                           TypeRow{"Q8_0", DType::kF32, 0.0041},
                                           TypeRow{"Q4_0", DType::kF32, 0.127}),
                         [](const auto& row) { return std::string(row.param.type); });

TEST_F(GgufLayerTest, QAndKAndVMayHaveTypesOfTheirOwn) {
  std::vector<GgufTensor> tensors = gguf_tensors(config_, model_, "F16");
  for (const GgufTensor& other : gguf_tensors(config_, model_, "Q8_0")) {
    if (other.name != "blk.0.attn_v.weight") continue;
    for (GgufTensor& tensor : tensors) {
      if (tensor.name == other.name) tensor = other;
    }
  }
  write(gguf_entries(config_), tensors);
  EXPECT_EQ(open().layer(0).at("attn.qkv.weight").dtype(), DType::kF32);
  EXPECT_EQ(open().layer(1).at("attn.qkv.weight").dtype(), DType::kF16);
}

TEST_F(GgufLayerTest, TypesThatCannotBeReadAreNamed) {
  for (const auto& [type, message] :
       {std::pair{*find_gguf_type("IQ4_NL"), "element type IQ4_NL"},
        std::pair{GgufType{.id = 250, .name = "new", .block = 1, .bytes = 4, .dtype = {}},
                  "element type type 250"}}) {
    std::vector<GgufTensor> tensors = gguf_tensors(config_, model_, "F32");
    for (GgufTensor& tensor : tensors) {
      if (!tensor.name.starts_with("blk.2.ffn_up")) continue;
      tensor.type = type;
      const std::int64_t bytes = element_count(tensor.shape) / type.block * type.bytes;
      tensor.load = [bytes] { return HostTensor::zeros(DType::kU8, {bytes}); };
    }
    write(gguf_entries(config_), tensors);
    const LmSource source = open();
    EXPECT_NO_THROW((void)source.layer(0));
    EXPECT_THAT(message_of<UnsupportedError>([&] { (void)source.layer(2); }),
                AllOf(HasSubstr("blk.2.ffn_up.weight"), HasSubstr(message)));
  }
}

TEST_F(GgufLayerTest, OtherLayersAreNotRead) {
  // Reading blocks of NaN scales fails.
  std::vector<GgufTensor> tensors = gguf_tensors(config_, model_, "Q8_0");
  for (GgufTensor& tensor : tensors) {
    if (tensor.type.name != "Q8_0" || tensor.name.starts_with("blk.1.")) continue;
    const std::int64_t bytes = element_count(tensor.shape) / 32 * 34;
    tensor.load = [bytes] {
      HostTensor out = HostTensor::zeros(DType::kU8, {bytes});
      for (std::uint8_t& value : out.mutable_data<std::uint8_t>()) value = 0xFF;
      return out;
    };
  }
  write(gguf_entries(config_), tensors);
  const LmSource source = open();
  EXPECT_NO_THROW((void)source.layer(1));
  EXPECT_THROW((void)source.layer(0), FormatError);
  EXPECT_THROW((void)source.layer(2), FormatError);
}

TEST_F(GgufLayerTest, ATruncatedFileIsRefusedInOneLine) {
  write(gguf_entries(config_), gguf_tensors(config_, model_, "F16"));
  const std::string whole = read_plain(path());
  for (const double part : {0.001, 0.02, 0.05, 0.5, 0.99}) {
    write_plain(path(), whole.substr(
                            0, static_cast<std::size_t>(static_cast<double>(whole.size()) * part)));
    const std::string message = message_of<FormatError>([&] { (void)open(); });
    EXPECT_THAT(message, AllOf(HasSubstr("model.gguf"), HasSubstr("copy or download it again")))
        << part;
    EXPECT_EQ(message.find('\n'), std::string::npos);
  }
}

TEST_F(GgufLayerTest, LengthsBeyondTheFileAreRefused) {
  const std::string huge = testing::raw<std::uint64_t>({std::uint64_t{1} << 60});
  for (const std::string& value : {huge, testing::raw<std::uint32_t>({4}) + huge}) {
    const bool array = value.size() > huge.size();
    write_plain(path(),
                testing::GgufBuilder().entry("general.architecture", array ? 9 : 8, value).bytes());
    EXPECT_THROW((void)open(), FormatError);
  }
}

TEST_F(GgufLayerTest, OtherMetadataIsRefused) {
  struct Bad {
    std::string key;
    std::optional<GgufValue> value;
    std::string_view message;
  };
  const std::vector<Bad> cases{
      {"general.architecture", GgufValue::string("gpt2"), "found 'gpt2'"},
      {"general.architecture", std::nullopt, "found 'nothing'"},
      {"llama.block_count", std::nullopt, "'llama.block_count', found nothing"},
      {"llama.block_count", GgufValue::string("3"), "an integer under 'llama.block_count'"},
      {"llama.block_count", GgufValue::u32(0), "a number of layers from 1"},
      {"llama.embedding_length", GgufValue::i64(-1), "a width from 1"},
      {"llama.attention.head_count_kv", GgufValue::strings({"2"}), "an integer under"},
      {"llama.rope.freq_base", GgufValue::string("big"), "a number under"},
      {"llama.attention.key_length", GgufValue::u32(16), "heads of width"},
      {"llama.expert_count", GgufValue::u32(8), "mixture of experts"},
      {"split.count", GgufValue::u32(2), "one of 2 parts"}};
  for (const Bad& bad : cases) {
    GgufEntries entries = gguf_entries(config_);
    std::erase_if(entries, [&bad](const auto& entry) { return entry.first == bad.key; });
    if (bad.value) entries.emplace_back(bad.key, *bad.value);
    write(entries, gguf_tensors(config_, model_, "F32"));
    EXPECT_THAT(message_of<Error>([&] { (void)open(); }),
                AllOf(HasSubstr("model.gguf"), HasSubstr(std::string(bad.message))))
        << bad.key;
  }
}

TEST_F(GgufLayerTest, MissingTensorsAreListed) {
  std::vector<GgufTensor> tensors = gguf_tensors(config_, model_, "F32");
  std::erase_if(tensors, [](const GgufTensor& t) { return t.name == "blk.2.attn_q.weight"; });
  write(gguf_entries(config_), tensors);
  EXPECT_THAT(message_of<FormatError>([&] { (void)open().layer(2); }),
              HasSubstr("1 is missing: blk.2.attn_q.weight"));
}

}  // namespace
}  // namespace conopa::llm
