#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/core/error.h"
#include "conopa/io/gguf.h"
#include "tests/io/gguf_builder.h"
#include "tests/io/temp_dir.h"

namespace conopa {
namespace {

using testing::GgufBuilder;
using ::testing::HasSubstr;
using testing::message_of;
using testing::raw;
using testing::to_bytes;

constexpr std::uint32_t kF32 = 0;
constexpr std::uint64_t kHuge = UINT64_C(1) << 62;

std::unique_ptr<GgufFile> parse(const std::string& bytes) {
  return GgufFile::from(MappedFile::in_memory("x.gguf", to_bytes(bytes)));
}

template <typename Exception = FormatError>
void expect_refused(const GgufBuilder& builder, const std::string& reason) {
  EXPECT_THAT(message_of<Exception>([&] { (void)parse(builder.bytes()); }), HasSubstr(reason));
}

std::string word(std::uint32_t value) { return raw<std::uint32_t>({value}); }
std::string count(std::uint64_t value) { return raw<std::uint64_t>({value}); }

TEST(GgufHostileTest, RefusesOtherVersionsAndByteOrders) {
  expect_refused<UnsupportedError>(GgufBuilder().version(1), "found 1");
  expect_refused<UnsupportedError>(GgufBuilder().version(0), "found 0");
  expect_refused<UnsupportedError>(GgufBuilder().version(4), "found 4");
  expect_refused<UnsupportedError>(GgufBuilder().version(0x03000000), "big-endian");
  EXPECT_THAT(message_of<FormatError>([] { (void)parse("GGU"); }), HasSubstr("no GGUF file"));
  EXPECT_THAT(message_of<FormatError>([] { (void)parse("GGML1234"); }), HasSubstr("no GGUF file"));
}

TEST(GgufHostileTest, RefusesCountsBeyondTheBytes) {
  for (const std::uint64_t huge : {std::uint64_t{1}, std::uint64_t{1} << 40, UINT64_MAX}) {
    expect_refused(GgufBuilder().counts(0, huge), "metadata entries");
    expect_refused(GgufBuilder().counts(huge, 0), "tensors");
    expect_refused(GgufBuilder().entry("a", 9, word(4) + count(huge)), "array items");
    expect_refused(GgufBuilder().entry("a", 9, word(8) + count(huge)), "array items");
  }
  expect_refused(GgufBuilder().entry("abcdef", 8, count(UINT64_MAX)), "more bytes");
}

TEST(GgufHostileTest, BoundsArrayItemsOverTheWholeFile) {
  const std::string half = word(0) + count(kMaxGgufItems / 2) + std::string(kMaxGgufItems / 2, 'x');
  const auto file = parse(GgufBuilder().entry("a", 9, half).entry("b", 9, half).bytes());
  EXPECT_EQ(std::ssize(file->find("b")->items()), kMaxGgufItems / 2);
  expect_refused(
      GgufBuilder().entry("a", 9, half).entry("b", 9, half).entry("c", 9, word(0) + count(1) + "x"),
      "at most 4000000 array items");
}

TEST(GgufHostileTest, BoundsNesting) {
  std::string value = word(0) + count(0);
  for (int i = 0; i < 3; ++i) value = word(9) + count(1) + value;
  EXPECT_EQ(parse(GgufBuilder().entry("a", 9, value).bytes())->entries().size(), 1U);
  expect_refused(GgufBuilder().entry("a", 9, word(9) + count(1) + value), "nested");
}

TEST(GgufHostileTest, RefusesBadKeysKindsAndValues) {
  expect_refused(GgufBuilder().entry("a", 13, "12345678"), "value type 0 to 12");
  expect_refused(GgufBuilder().entry("a", 9, word(77) + count(0)), "value type 0 to 12");
  expect_refused(GgufBuilder().entry("a", 7, "\x02"), "boolean");
  expect_refused(GgufBuilder().entry("", 7, "\x01"), "metadata key");
  expect_refused(GgufBuilder().entry("\xFF\xFE", 7, "\x01"), "UTF-8");
  expect_refused(GgufBuilder().entry(std::string(65536, 'k'), 7, "\x01"), "65535");
  expect_refused(GgufBuilder().entry("a", 7, "\x01").entry("a", 7, "\x01"), "occurs twice");
}

TEST(GgufHostileTest, RefusesBadTensorEntries) {
  const std::string data(64, 'x');
  const auto tensor = [&](const std::vector<std::uint64_t>& dims, std::uint32_t type,
                          std::uint64_t offset) {
    return GgufBuilder().tensor("t", dims, type, offset).data(data);
  };
  EXPECT_EQ(parse(tensor({16}, kF32, 0).bytes())->names().size(), 1U);
  expect_refused(tensor({17}, kF32, 0), "truncated");
  expect_refused(tensor({9}, kF32, 32), "truncated");
  expect_refused(tensor({1}, kF32, 4), "multiple of 32");
  expect_refused(tensor({1}, kF32, 96), "truncated");
  expect_refused(tensor({1}, kF32, UINT64_MAX - 31), "truncated");
  expect_refused(tensor({0}, kF32, UINT64_MAX - 31), "truncated");
  expect_refused(tensor({1}, 99, 96), "truncated");
  expect_refused(tensor({UINT64_MAX}, kF32, 0), "overflows");
  expect_refused(tensor({kHuge, 4}, kF32, 0), "cannot be of type");
  expect_refused(tensor({kHuge}, kF32, 0), "cannot be of type");
  expect_refused(tensor({33}, 8, 0), "cannot be of type Q8_0");
  expect_refused(tensor({1, 1, 1, 1, 1}, kF32, 0), "at most 4 dimensions");
}

TEST(GgufHostileTest, RefusesBadNamesAndOverlaps) {
  const auto two = [](std::string_view a, std::string_view b, std::uint64_t at_a,
                      std::uint64_t at_b) {
    return GgufBuilder()
        .tensor(a, {12}, kF32, at_a)
        .tensor(b, {8}, kF32, at_b)
        .data(std::string(128, 'x'));
  };
  EXPECT_EQ(parse(two("a", "b", 0, 64).bytes())->names().size(), 2U);
  EXPECT_EQ(parse(two("a", "b", 32, 0).bytes())->names().size(), 2U);
  expect_refused(two("a", "b", 0, 32), "overlap");
  expect_refused(two("a", "b", 0, 0), "overlap");
  expect_refused(two("a", "a", 0, 64), "occurs twice");
  expect_refused(two("a", "\xC3", 0, 64), "tensor name in UTF-8");
}

TEST(GgufHostileTest, RefusesBadAlignments) {
  const auto aligned = [](std::uint32_t kind, const std::string& value) {
    return GgufBuilder()
        .entry("general.alignment", kind, value)
        .tensor("t", {1}, kF32, 0)
        .data(std::string(64, 'x'));
  };
  for (const std::uint32_t value : {0U, 3U, 48U, UINT32_MAX}) {
    expect_refused(aligned(4, word(value)), "power of two");
  }
  expect_refused(aligned(8, GgufBuilder::text("32")), "power of two");
  expect_refused(aligned(10, count(32)), "power of two");
  expect_refused(aligned(4, word(1U << 31)), "truncated");
}

TEST(GgufHostileTest, RefusesEveryTruncation) {
  const std::string whole = GgufBuilder()
                                .entry("a", 8, GgufBuilder::text("text"))
                                .entry("b", 9, word(4) + count(2) + word(1) + word(2))
                                .tensor("t", {3}, kF32, 0)
                                .tensor("u", {1}, kF32, 32)
                                .data(std::string(36, 'x'))
                                .bytes();
  EXPECT_EQ(parse(whole)->names().size(), 2U);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THROW((void)parse(whole.substr(0, size)), FormatError) << size;
  }
}

}  // namespace
}  // namespace conopa
