#include "conopa/io/quantised.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "conopa/core/error.h"
#include "conopa/io/checkpoint.h"
#include "conopa/io/safetensors.h"
#include "conopa/io/sharded.h"
#include "tests/io/temp_dir.h"

namespace conopa {
namespace {

using testing::message_of;
using testing::TempDir;

constexpr std::int64_t kRows = 3;
constexpr std::int64_t kColumns = 64;
const std::string kName = "blocks.0.attn.qkv.weight";

std::vector<float> values() {
  std::vector<float> out(kRows * kColumns);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = std::sin(static_cast<float>(i));
  return out;
}

QuantMatrix matrix_of(QuantForm form) {
  return quantise_matrix(form, values(), kRows, kColumns, "test", kName);
}

std::vector<NamedTensor> stored_tensors(QuantForm form) {
  std::vector<NamedTensor> out;
  append_quantised(out, kName, matrix_of(form));
  const std::vector<float> bias{1.0F, 2.0F, 3.0F};
  out.push_back({"blocks.0.attn.qkv.bias", HostTensor::of<float>(DType::kF32, {3}, bias)});
  return out;
}

std::unique_ptr<TensorSource> logical(std::vector<NamedTensor> tensors, std::string format) {
  return with_quantised(std::make_unique<MemorySource>(
      std::move(tensors), Metadata{{"format", "pt"}, {"weight_format", std::move(format)}}, "m"));
}

class QuantisedFormTest : public ::testing::TestWithParam<QuantForm> {
 protected:
  static std::string format() { return std::string(enum_name(GetParam())); }
};
INSTANTIATE_TEST_SUITE_P(Forms, QuantisedFormTest,
                         ::testing::Values(QuantForm::kInt8, QuantForm::kQ8_0, QuantForm::kQ4_0),
                         [](const auto& test) { return std::string(enum_name(test.param)); });

TEST_P(QuantisedFormTest, FilesShowLogicalNamesShapesAndValues) {
  const TempDir folder;
  write_safetensors(folder / "model.safetensors", stored_tensors(GetParam()),
                    {{"format", "pt"}, {"weight_format", format()}});
  const std::unique_ptr<TensorSource> source = open_checkpoint(folder.path());
  EXPECT_EQ(source->names().size(), 2U);
  EXPECT_EQ(source->info(kName).shape, (Shape{kRows, kColumns}));
  EXPECT_EQ(source->info(kName).dtype, DType::kF32);
  EXPECT_EQ(source->quant_form(), GetParam());
  EXPECT_EQ(source->read(kName).to_f32(), dequantise_matrix(matrix_of(GetParam())).to_f32());
  EXPECT_EQ(source->read("blocks.0.attn.qkv.bias").to_f32(), (std::vector<float>{1, 2, 3}));
  EXPECT_FALSE(source->metadata().contains("weight_format"));
  EXPECT_EQ(source->metadata().at("format"), "pt");
}

TEST_P(QuantisedFormTest, GivesTheStoredFormOfMatricesOnly) {
  const auto source = logical(stored_tensors(GetParam()), format());
  const QuantMatrix expected = matrix_of(GetParam());
  const std::optional<QuantMatrix> found = source->read_quantised(kName);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->form, GetParam());
  EXPECT_EQ(found->columns, kColumns);
  EXPECT_EQ(found->scale, expected.scale);
  EXPECT_TRUE(std::ranges::equal(found->values.bytes(), expected.values.bytes()));
  EXPECT_FALSE(source->read_quantised("blocks.0.attn.qkv.bias").has_value());
  EXPECT_THROW(static_cast<void>(source->read_quantised("other")), FormatError);
}

TEST_P(QuantisedFormTest, AMatrixAndItsScalesMayLieInTwoShards) {
  const TempDir folder;
  write_sharded(folder.path(), stored_tensors(GetParam()), {{"weight_format", format()}}, 8);
  ASSERT_TRUE(std::filesystem::exists(folder / "model.safetensors.index.json"));
  const std::unique_ptr<TensorSource> source = open_checkpoint(folder.path());
  EXPECT_EQ(source->read(kName).to_f32(), dequantise_matrix(matrix_of(GetParam())).to_f32());
}

TEST(QuantisedTest, SourcesWithoutAFormatStayAsTheyAre) {
  const auto source =
      with_quantised(std::make_unique<MemorySource>(stored_tensors(QuantForm::kQ4_0)));
  EXPECT_EQ(source->info(kName).dtype, DType::kU8);
  EXPECT_FALSE(source->quant_form().has_value());
  EXPECT_FALSE(source->read_quantised(kName).has_value());
}

struct Damage {
  const char* name;
  const char* format;
  QuantForm form;
  void (*damage)(std::vector<NamedTensor>&);
  const char* message;
};

class QuantisedDamageTest : public ::testing::TestWithParam<Damage> {};
INSTANTIATE_TEST_SUITE_P(
    Damages, QuantisedDamageTest,
    ::testing::Values(
        Damage{"UnknownFormat", "q4_O", QuantForm::kQ4_0, [](auto&) {},
               "found 'q4_O'; did you mean 'q4_0'?"},
        Damage{"WrongBlocks", "q8_0", QuantForm::kQ4_0, [](auto&) {},
               "q8_0 blocks of 34 bytes, found rows of 36 bytes"},
        Damage{"MissingScale", "int8", QuantForm::kInt8,
               [](auto& tensors) { tensors.erase(tensors.begin() + 1); },
               "expected the scales blocks.0.attn.qkv.weight_scale"},
        Damage{"ShortScale", "int8", QuantForm::kInt8,
               [](auto& tensors) { tensors[1].tensor = tensors[1].tensor.rows(0, 2); },
               "F32 of shape [3], found F32 of shape [2]"},
        Damage{"WrongScaleType", "int8", QuantForm::kInt8,
               [](auto& tensors) { tensors[1].tensor = HostTensor::zeros(DType::kF64, {3}); },
               "F32 of shape [3], found F64 of shape [3]"},
        Damage{"ScaleOfNothing", "int8", QuantForm::kInt8,
               [](auto& tensors) { tensors.erase(tensors.begin()); },
               "expected an int8 matrix blocks.0.attn.qkv.weight for its scales, found none"},
        Damage{"ScaleOfFloats", "int8", QuantForm::kInt8,
               [](auto& tensors) {
                 tensors[0].tensor = HostTensor::zeros(DType::kF32, {3, 64});
               },
               "for its scales, found F32"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_P(QuantisedDamageTest, IsNamedWhenTheFileIsOpened) {
  const Damage& damage = GetParam();
  std::vector<NamedTensor> tensors = stored_tensors(damage.form);
  damage.damage(tensors);
  const std::string text =
      message_of<FormatError>([&] { static_cast<void>(logical(tensors, damage.format)); });
  EXPECT_NE(text.find(damage.message), std::string::npos) << text;
}

TEST(QuantisedTest, ScalesThatAreNotFiniteAreNamedWhenRead) {
  std::vector<NamedTensor> int8 = stored_tensors(QuantForm::kInt8);
  const std::vector<float> scale{1.0F, std::numeric_limits<float>::quiet_NaN(), 1.0F};
  int8[1].tensor = HostTensor::of<float>(DType::kF32, {3}, scale);
  std::vector<NamedTensor> blocks = stored_tensors(QuantForm::kQ8_0);
  std::vector<std::uint8_t> bytes(3 * 68, 0);
  bytes[69 + 34] = 0x7C;  // the upper byte of an fp16 infinity, second block of the second row
  blocks[0].tensor = HostTensor::of<std::uint8_t>(DType::kU8, {3, 68}, bytes);
  for (const auto& [tensors, format] : {std::pair{int8, "int8"}, std::pair{blocks, "q8_0"}}) {
    const auto source = logical(tensors, format);
    for (const bool raw : {false, true}) {
      const std::string text = message_of<FormatError>([&] {
        raw ? static_cast<void>(source->read_quantised(kName))
            : static_cast<void>(source->read(kName));
      });
      EXPECT_NE(text.find("[m] expected finite scales in " + kName), std::string::npos) << text;
    }
  }
}

}  // namespace
}  // namespace conopa
