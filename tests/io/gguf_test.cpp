#include "conopa/io/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "conopa/core/error.h"
#include "conopa/io/gguf_fields.h"
#include "tests/io/gguf_builder.h"
#include "tests/io/temp_dir.h"

namespace conopa {
namespace {

using ::testing::ElementsAre;
using testing::GgufBuilder;
using ::testing::HasSubstr;
using testing::message_of;
using testing::raw;
using testing::read_plain;
using testing::TempDir;
using testing::to_bytes;

constexpr std::array kTypes{DType::kF64, DType::kF32, DType::kF16, DType::kBF16,
                            DType::kI64, DType::kI32, DType::kI16, DType::kI8};

HostTensor patterned(DType dtype, Shape shape) {
  HostTensor out = HostTensor::zeros(dtype, shape);
  std::vector<std::byte> bytes(out.bytes().size());
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 37 + 1);
  const auto owner = std::make_shared<std::vector<std::byte>>(std::move(bytes));
  return {dtype, std::move(shape), *owner, owner};
}

std::unique_ptr<GgufFile> parse(const GgufBuilder& builder) {
  return GgufFile::from(MappedFile::in_memory("x.gguf", to_bytes(builder.bytes())));
}

TEST(GgufTest, RoundTripsEveryTypeAndRank) {
  const TempDir dir;
  std::vector<NamedTensor> expected;
  for (const DType dtype : kTypes) {
    const std::string name(dtype_name(dtype));
    expected.push_back({name + ".scalar", patterned(dtype, {})});
    expected.push_back({name + ".vector", patterned(dtype, {5})});
    expected.push_back({name + ".rank4", patterned(dtype, {2, 1, 3, 5})});
    expected.push_back({name + ".empty", HostTensor::zeros(dtype, {2, 0})});
  }
  std::vector<GgufTensor> tensors;
  for (const NamedTensor& named : expected) {
    tensors.push_back(gguf_tensor(named.name, named.tensor));
  }
  write_gguf(dir / "m.gguf", {}, tensors);

  const auto file = GgufFile::open(dir / "m.gguf");
  ASSERT_EQ(file->names().size(), expected.size());
  for (const NamedTensor& named : expected) {
    const HostTensor tensor = file->read(named.name);
    EXPECT_EQ(tensor.dtype(), named.tensor.dtype());
    EXPECT_EQ(tensor.shape(), named.tensor.shape());
    EXPECT_TRUE(std::ranges::equal(tensor.bytes(), named.tensor.bytes())) << named.name;
  }
}

TEST(GgufTest, WritesThePublishedLayout) {
  const TempDir dir;
  write_gguf(dir / "m.gguf", {{"a.b", GgufValue::u32(7)}},
             std::vector{gguf_tensor("t", patterned(DType::kI8, {2, 3})),
                         gguf_tensor("u", patterned(DType::kF32, {1}))});
  std::string data = std::string(patterned(DType::kI8, {6}).bytes().size(), '\0');
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 37 + 1);
  data.resize(32, '\0');
  data += "\x01\x26\x4B\x70" + std::string(28, '\0');
  EXPECT_EQ(read_plain(dir / "m.gguf"), GgufBuilder()
                                            .entry("a.b", 4, raw<std::uint32_t>({7}))
                                            .tensor("t", {3, 2}, 24, 0)
                                            .tensor("u", {1}, 0, 32)
                                            .data(data)
                                            .bytes());
}

TEST(GgufTest, RoundTripsMetadataOfEveryKind) {
  const TempDir dir;
  GgufEntries entries{
      {"u8", GgufValue::integer(GgufKind::kU8, 255)},
      {"i8", GgufValue::integer(GgufKind::kI8, static_cast<std::uint64_t>(-3))},
      {"u16", GgufValue::integer(GgufKind::kU16, 65535)},
      {"i16", GgufValue::integer(GgufKind::kI16, static_cast<std::uint64_t>(-300))},
      {"u32", GgufValue::u32(4'000'000'000U)},
      {"i32", GgufValue::integer(GgufKind::kI32, static_cast<std::uint64_t>(-70000))},
      {"u64", GgufValue::integer(GgufKind::kU64, UINT64_MAX)},
      {"i64", GgufValue::i64(INT64_MIN)},
      {"f32", GgufValue::f32(0.1F)},
      {"f64", GgufValue::f64(0.1)},
      {"bool", GgufValue::boolean(true)},
      {"text", GgufValue::string("ñ \"quoted\"")},
      {"texts", GgufValue::strings({"a", "", "c"})},
      {"nested", GgufValue::array(GgufKind::kArray, {GgufValue::strings({"x"}),
                                                     GgufValue::array(GgufKind::kF32, {})})}};
  write_gguf(dir / "m.gguf", entries, {});

  const auto file = GgufFile::open(dir / "m.gguf");
  EXPECT_EQ(file->entries(), entries);
  EXPECT_EQ(file->find("i16")->as_int(), -300);
  EXPECT_EQ(file->find("u64")->as_int(), std::nullopt);
  EXPECT_EQ(file->find("i32")->as_float(), -70000.0);
  EXPECT_EQ(file->find("none"), nullptr);
  EXPECT_EQ(file->metadata().at("texts"), "[3 string]");
  EXPECT_EQ(file->metadata().at("u64"), "18446744073709551615");
  EXPECT_EQ(file->metadata().at("i8"), "-3");
}

TEST(GgufTest, KeepsQuantisedMatricesAndReadsTheirValues) {
  const TempDir dir;
  std::vector<float> values(3 * 64);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<float>(i));
  for (const QuantForm form : {QuantForm::kQ8_0, QuantForm::kQ4_0}) {
    const QuantMatrix matrix = quantise_matrix(form, values, 3, 64, "test", "m");
    write_gguf(dir / "m.gguf", {}, std::vector{gguf_tensor("m", matrix)});

    const auto file = GgufFile::open(dir / "m.gguf");
    EXPECT_EQ(file->info("m").dtype_name, form == QuantForm::kQ8_0 ? "Q8_0" : "Q4_0");
    EXPECT_EQ(file->info("m").shape, (Shape{3, 64}));
    EXPECT_EQ(file->read("m").to_f32(), dequantise_matrix(matrix).to_f32());
    EXPECT_EQ(file->quant_form(), form);
    const std::optional<QuantMatrix> back = file->read_quantised("m");
    ASSERT_TRUE(back.has_value());
    EXPECT_EQ(back->form, form);
    EXPECT_TRUE(std::ranges::equal(back->values.bytes(), matrix.values.bytes()));
    EXPECT_THAT(read_plain(dir / "m.gguf"), HasSubstr(raw<std::uint64_t>({64, 3})));
  }
  EXPECT_THROW((void)gguf_tensor("u8", patterned(DType::kU8, {2})), UnsupportedError);
}

TEST(GgufTest, ReadsBlocksOfAnyRankAndRefusesScalesThatAreNotFinite) {
  const std::string block = raw<std::uint16_t>({0x3C00}) + std::string(32, '\2');
  const std::string bad = raw<std::uint16_t>({0x7C00}) + std::string(32, '\2');
  const auto file =
      parse(GgufBuilder()
                .tensor("vector", {32}, 8, 0)
                .tensor("cube", {32, 1, 2}, 8, 64)
                .tensor("bad", {32, 1}, 8, 160)
                .data(block + std::string(30, ' ') + block + block + std::string(28, ' ') + bad));
  EXPECT_EQ(file->read("vector").to_f32(), std::vector<float>(32, 2.0F));
  EXPECT_EQ(file->read("cube").shape(), (Shape{2, 1, 32}));
  EXPECT_FALSE(file->read_quantised("cube").has_value());
  EXPECT_THROW((void)file->read("bad"), FormatError);
}

TEST(GgufTest, ListsOtherTypesAndRefusesToReadThem) {
  const auto file = parse(GgufBuilder()
                              .tensor("q6", {256, 2}, 14, 0)
                              .tensor("future", {7}, 99, 448)
                              .data(std::string(480, 'x')));
  EXPECT_EQ(file->info("q6").dtype_name, "Q6_K");
  EXPECT_EQ(file->info("q6").shape, (Shape{2, 256}));
  EXPECT_EQ(file->info("future").dtype_name, "type 99");
  EXPECT_THAT(message_of<UnsupportedError>([&] { (void)file->read("q6"); }), HasSubstr("Q6_K"));
  EXPECT_THROW((void)file->read("future"), UnsupportedError);
}

TEST(GgufTest, FollowsTheAlignmentOfTheFile) {
  const auto file = parse(GgufBuilder()
                              .entry("general.alignment", 4, raw<std::uint32_t>({8}))
                              .tensor("a", {1}, 0, 0)
                              .tensor("b", {1}, 0, 8)
                              .data(raw<float>({1.5F, 0.0F, -2.0F}), 8));
  EXPECT_THAT(file->read("b").to_f32(), ElementsAre(-2.0F));
}

TEST(GgufTest, ReadsVersionTwoAndFilesWithoutData) {
  EXPECT_EQ(parse(GgufBuilder().version(2).entry("a", 7, "\x01"))->find("a")->as_bool(), true);
  EXPECT_TRUE(parse(GgufBuilder())->names().empty());
}

TEST(GgufTest, WriterRefusesWhatReadersWouldNotTake) {
  const TempDir dir;
  const HostTensor one = patterned(DType::kF32, {1});
  const auto write = [&](const GgufEntries& entries, std::vector<GgufTensor> tensors) {
    write_gguf(dir / "m.gguf", entries, tensors);
  };
  const GgufValue value = GgufValue::u32(1);
  EXPECT_THROW(write({}, {gguf_tensor("a", one), gguf_tensor("a", one)}), FormatError);
  EXPECT_THROW(write({}, {gguf_tensor(std::string(64, 'a'), one)}), FormatError);
  EXPECT_NO_THROW(write({}, {gguf_tensor(std::string(63, 'a'), one)}));
  EXPECT_THROW(write({}, {gguf_tensor("\xFF", one)}), FormatError);
  EXPECT_THROW(write({}, {gguf_tensor("", one)}), FormatError);
  EXPECT_THROW(write({}, {gguf_tensor("a", patterned(DType::kF32, {1, 1, 1, 1, 1}))}), FormatError);
  EXPECT_THROW(write({{"k", value}, {"k", value}}, {}), FormatError);
  EXPECT_THROW(write({{"general.alignment", value}}, {}), FormatError);
  GgufTensor liar = gguf_tensor("a", one);
  liar.load = [] { return patterned(DType::kF32, {2}); };
  EXPECT_THAT(message_of<FormatError>([&] { write({}, {liar}); }), HasSubstr("expected 4 bytes"));
  EXPECT_THAT(dir.names(), ElementsAre("m.gguf"));
}

struct Inner {
  std::int64_t depth = 2;
  void visit(FieldVisitor& v) { v.field("depth", depth, "h"); }
};
struct Fields {
  bool flag = true;
  std::int64_t count = -5;
  double rate = 0.1;
  double limit = std::numeric_limits<double>::infinity();
  std::string mode = "b";
  std::vector<std::int64_t> sizes = {1, 2};
  std::vector<double> none;
  std::vector<std::string> words = {"x y"};
  Inner inner;
  void visit(FieldVisitor& v) {
    static constexpr std::array<std::string_view, 2> kModes{"a", "b"};
    v.field("flag", flag, "h");
    v.field("count", count, "h");
    v.field("rate", rate, "h");
    v.field("limit", limit, "h");
    v.choice("mode", mode, kModes, "h");
    v.field("sizes", sizes, "h");
    v.field("none", none, "h");
    v.field("words", words, "h");
    v.section("inner", inner, "h");
  }
};

TEST(GgufFieldsTest, RoundTripsEveryFieldType) {
  const TempDir dir;
  Fields fields;
  fields.rate = 1.0 / 3.0;
  fields.inner.depth = 9;
  GgufEntries entries{{"other.count", GgufValue::u32(1)}};
  append_gguf_fields(entries, "p.", fields);
  write_gguf(dir / "m.gguf", entries, {});

  Fields back{.flag = false,
              .count = 0,
              .rate = 0,
              .limit = 0,
              .mode = "a",
              .sizes = {},
              .none = {1.0},
              .words = {},
              .inner = {}};
  const auto file = GgufFile::open(dir / "m.gguf");
  read_gguf_fields(*file, "p.", back);
  EXPECT_EQ(to_json(back), to_json(fields));
  EXPECT_EQ(file->find("p.inner.depth")->as_int(), 9);
}

TEST(GgufFieldsTest, RefusesUnknownKeysAndWrongValues) {
  const auto refusal = [](const GgufBuilder& builder) {
    return message_of<ConfigError>([&] {
      Fields fields;
      read_gguf_fields(*parse(builder), "p.", fields);
    });
  };
  EXPECT_THAT(refusal(GgufBuilder().entry("p.cuont", 4, raw<std::uint32_t>({1}))),
              HasSubstr("count"));
  EXPECT_THAT(refusal(GgufBuilder().entry("p.mode", 8, GgufBuilder::text("c"))), HasSubstr("mode"));
  EXPECT_THAT(refusal(GgufBuilder().entry("p.flag", 8, GgufBuilder::text("c"))), HasSubstr("flag"));
  Fields fields;
  const auto both = parse(GgufBuilder()
                              .entry("p.inner", 4, raw<std::uint32_t>({1}))
                              .entry("p.inner.depth", 4, raw<std::uint32_t>({1})));
  EXPECT_THROW(read_gguf_fields(*both, "p.", fields), FormatError);
}

}  // namespace
}  // namespace conopa
