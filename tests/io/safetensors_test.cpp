#include "conopa/io/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/core/error.h"
#include "tests/io/temp_dir.h"

namespace conopa {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;
using testing::raw;
using testing::read_plain;
using testing::TempDir;
using testing::to_bytes;

constexpr std::array kAllTypes{DType::kF64, DType::kF32, DType::kF16, DType::kBF16, DType::kI64,
                               DType::kI32, DType::kI16, DType::kI8,  DType::kU8,   DType::kBool};

HostTensor patterned(DType dtype, Shape shape) {
  HostTensor out = HostTensor::zeros(dtype, shape);
  std::vector<std::byte> bytes(out.bytes().size());
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 37 + 1);
  const auto owner = std::make_shared<std::vector<std::byte>>(std::move(bytes));
  return {dtype, std::move(shape), *owner, owner};
}

std::unique_ptr<SafetensorsFile> parse(const std::string& header, std::string_view data) {
  const std::uint64_t size = header.size();
  return SafetensorsFile::from(MappedFile::in_memory(
      "x.safetensors", to_bytes(raw<std::uint64_t>({size}) + header + std::string(data))));
}

std::string one(std::string_view dtype, std::string_view shape, std::string_view offsets) {
  return fmt::format(R"({{"a":{{"dtype":"{}","shape":{},"data_offsets":{}}}}})", dtype, shape,
                     offsets);
}

void expect_refused(const std::string& header, std::string_view data, std::string_view reason) {
  EXPECT_THAT(message_of<FormatError>([&] { (void)parse(header, data); }),
              HasSubstr(std::string(reason)))
      << header;
}

TEST(SafetensorsTest, RoundTripsEveryTypeAndShape) {
  const TempDir dir;
  std::vector<NamedTensor> tensors;
  for (const DType dtype : kAllTypes) {
    const std::string name(dtype_name(dtype));
    tensors.push_back({name + ".matrix", patterned(dtype, {3, 5})});
    tensors.push_back({name + ".scalar", patterned(dtype, {})});
    tensors.push_back({name + ".empty", HostTensor::zeros(dtype, {2, 0})});
  }
  write_safetensors(dir / "m.safetensors", tensors, {{"format", "pt"}, {"note", "ñ \"quoted\""}});

  const auto file = SafetensorsFile::open(dir / "m.safetensors");
  EXPECT_EQ(file->names().size(), tensors.size());
  EXPECT_EQ(file->metadata(), (Metadata{{"format", "pt"}, {"note", "ñ \"quoted\""}}));
  for (const NamedTensor& expected : tensors) {
    const HostTensor tensor = file->read(expected.name);
    EXPECT_EQ(tensor.dtype(), expected.tensor.dtype());
    EXPECT_EQ(tensor.shape(), expected.tensor.shape());
    EXPECT_TRUE(std::ranges::equal(tensor.bytes(), expected.tensor.bytes())) << expected.name;
  }
}

TEST(SafetensorsTest, WritesTheSameBytesForAnyOrderAndAlignsEveryTensor) {
  const TempDir dir;
  const NamedTensor u8{"b", patterned(DType::kU8, {3})};
  const NamedTensor f32{"z", patterned(DType::kF32, {1})};
  const NamedTensor f64{"c", patterned(DType::kF64, {1})};
  write_safetensors(dir / "1", std::vector{u8, f32, f64});
  write_safetensors(dir / "2", std::vector{f64, u8, f32});
  EXPECT_EQ(read_plain(dir / "1"), read_plain(dir / "2"));
  const auto file = SafetensorsFile::open(dir / "1");
  EXPECT_THAT(file->names(), ElementsAre("c", "z", "b"));
  const std::byte* data = file->read("c").bytes().data();
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(data) % 8, 0U);
}

TEST(SafetensorsTest, ViewsTheMappingAndOutlivesTheFile) {
  const TempDir dir;
  write_safetensors(dir / "1", std::vector<NamedTensor>{{"a", patterned(DType::kF32, {4})}});
  HostTensor tensor;
  {
    const auto file = SafetensorsFile::open(dir / "1");
    tensor = file->read("a");
    EXPECT_EQ(tensor.bytes().data(), file->read("a").bytes().data());
  }
  EXPECT_TRUE(std::ranges::equal(tensor.bytes(), patterned(DType::kF32, {4}).bytes()));
}

TEST(SafetensorsTest, CopiesUnalignedDataSoThatTypedAccessWorks) {
  std::string header = one("F32", "[2]", "[0,8]");
  header.resize(header.size() % 2 == 0 ? header.size() + 1 : header.size() + 2, ' ');
  const auto file = parse(header, raw<float>({1.5F, -2.0F}));
  EXPECT_THAT(file->read("a").data<float>(), ElementsAre(1.5F, -2.0F));
}

TEST(SafetensorsTest, RefusesUnwritableNames) {
  const TempDir dir;
  const HostTensor tensor = patterned(DType::kU8, {1});
  const auto write = [&](std::vector<NamedTensor> tensors) {
    write_safetensors(dir / "1", tensors);
  };
  EXPECT_THROW(write({{"a", tensor}, {"a", patterned(DType::kF32, {1})}}), FormatError);
  EXPECT_THROW(write({{"__metadata__", tensor}}), FormatError);
  EXPECT_THROW(write({{"\xFF", tensor}}), FormatError);
  EXPECT_TRUE(dir.names().empty());
}

TEST(SafetensorsTest, ListsForeignTypesAndRefusesToReadThem) {
  const auto file = parse(one("F8_E4M3", "[2]", "[0,2]"), "ab");
  EXPECT_EQ(file->info("a").dtype_name, "F8_E4M3");
  EXPECT_EQ(file->info("a").shape, Shape{2});
  EXPECT_THAT(message_of<UnsupportedError>([&] { (void)file->read("a"); }), HasSubstr("F8_E4M3"));
  expect_refused(one("F8_E4M3", "[2]", "[0,3]"), "abc", "does not fit");
  EXPECT_EQ(parse(one("F9_NEW", "[2]", "[0,3]"), "abc")->names().size(), 1U);
}

TEST(SafetensorsTest, NamesAMissingTensor) {
  const auto file = parse(one("U8", "[1]", "[0,1]"), "a");
  EXPECT_FALSE(file->contains("b"));
  EXPECT_THAT(message_of<FormatError>([&] { (void)file->read("b"); }), HasSubstr("'b'"));
}

TEST(SafetensorsTest, AcceptsPaddingAndAnEmptyFile) {
  EXPECT_EQ(parse("{}   ", "")->names().size(), 0U);
  EXPECT_EQ(parse(R"({"__metadata__":{}})", "")->names().size(), 0U);
}

TEST(SafetensorsHostileTest, RefusesBadHeaders) {
  expect_refused(" {}", "", "starting with");
  expect_refused("[]", "", "starting with");
  expect_refused("", "", "starting with");
  expect_refused("{", "", "malformed");
  expect_refused("{}}", "", "malformed");
  expect_refused(R"({"a":3})", "", "does not allow");
  expect_refused(R"({"a":[]})", "", "does not allow");
  expect_refused(R"({"a":null})", "", "does not allow");
  expect_refused(R"({"a":{}})", "", "exactly dtype");
  expect_refused(R"({"a":{"dtype":"U8","shape":[[1]],"data_offsets":[0,1]}})", "a",
                 "does not allow");
  expect_refused(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1}})", "a",
                 "does not allow");
  expect_refused(R"({"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}})", "a",
                 "does not allow");
  expect_refused(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":{"b":1}}})", "a",
                 "does not allow");
  expect_refused(R"({"__metadata__":{"a":1}})", "", "does not allow");
  expect_refused("{\"a\xFF\":1}", "", "malformed");
}

TEST(SafetensorsHostileTest, RefusesDuplicateKeys) {
  expect_refused(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                 R"("a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                 "ab", "'a' occurs twice");
  expect_refused(R"({"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "a",
                 "'a.dtype' occurs twice");
  expect_refused(R"({"__metadata__":{"k":"1","k":"2"}})", "", "'k' occurs twice");
  expect_refused(R"({"__metadata__":{},"__metadata__":{}})", "", "occurs twice");
}

TEST(SafetensorsHostileTest, RefusesBadOffsets) {
  expect_refused(one("U8", "[2]", "[0,3]"), "abc", "does not fit");
  expect_refused(one("U8", "[3]", "[0,3]"), "ab", "expected 3 bytes");
  expect_refused(one("U8", "[1]", "[0,1]"), "ab", "expected 1 bytes");
  expect_refused(one("U8", "[1]", "[1,0]"), "a", "ordered");
  expect_refused(one("U8", "[1]", "[0]"), "a", "ordered");
  expect_refused(one("U8", "[1]", "[-1,0]"), "a", "non-negative");
  expect_refused(one("U8", "[1]", "[0,18446744073709551615]"), "a", "overflows");
  expect_refused(one("U8", "[1]", "[9223372036854775806,9223372036854775807]"), "a", "hole");
  expect_refused(one("F64", "[4611686018427387904,4]", "[0,0]"), "", "does not fit");
  expect_refused(one("F32", "[9223372036854775807]", "[0,4]"), "abcd", "does not fit");
}

TEST(SafetensorsHostileTest, RefusesHolesAndOverlaps) {
  const auto two = [](std::string_view first, std::string_view second) {
    return fmt::format(R"({{"a":{{"dtype":"U8","shape":[2],"data_offsets":{}}},)"
                       R"("b":{{"dtype":"U8","shape":[2],"data_offsets":{}}}}})",
                       first, second);
  };
  EXPECT_EQ(parse(two("[2,4]", "[0,2]"), "abcd")->names().size(), 2U);
  expect_refused(two("[0,2]", "[3,5]"), "abcde", "hole or an overlap");
  expect_refused(two("[0,2]", "[1,3]"), "abc", "hole or an overlap");
  expect_refused(two("[0,2]", "[0,2]"), "ab", "hole or an overlap");
  expect_refused(two("[1,3]", "[3,5]"), "abcde", "hole or an overlap");
}

TEST(SafetensorsHostileTest, RefusesHugeHeaderSizes) {
  for (const std::uint64_t size : {std::uint64_t{100'000'001}, UINT64_MAX}) {
    const auto file =
        MappedFile::in_memory("x", to_bytes(raw<std::uint64_t>({size}) + std::string(64, '{')));
    EXPECT_THAT(message_of<FormatError>([&] { (void)SafetensorsFile::from(file); }),
                HasSubstr("at most 100000000 bytes"));
  }
}

TEST(SafetensorsHostileTest, RefusesEveryTruncation) {
  const TempDir dir;
  write_safetensors(dir / "1", std::vector<NamedTensor>{{"a", patterned(DType::kF32, {2})},
                                                        {"b", patterned(DType::kI8, {3})}});
  const std::string whole = read_plain(dir / "1");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto file = MappedFile::in_memory("x", to_bytes(whole.substr(0, size)));
    EXPECT_THROW((void)SafetensorsFile::from(file), FormatError) << size;
  }
}

TEST(SafetensorsHostileTest, SurvivesDeepNesting) {
  expect_refused("{\"a\":" + std::string(1'000'000, '['), "", "does not allow");
}

}  // namespace
}  // namespace conopa
