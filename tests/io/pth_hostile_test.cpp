#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "conopa/core/error.h"
#include "conopa/io/pth.h"
#include "tests/io/pth_testing.h"

namespace conopa {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::legacy_checkpoint;
using testing::message_of;
using testing::open_bytes;
using testing::PickleBuilder;
using testing::raw;
using testing::TempDir;
using testing::zip_checkpoint;
using testing::ZipBuilder;

const std::string kSix = raw<float>({0, 1, 2, 3, 4, 5});

std::string single(std::int32_t numel, std::int32_t offset, const std::vector<std::int32_t>& shape,
                   const std::vector<std::int32_t>& strides) {
  return PickleBuilder()
      .proto()
      .dict()
      .string("w")
      .tensor("FloatStorage", "0", numel, offset, shape, strides)
      .set_item()
      .stop();
}

void expect_refused(const std::string& pickle, std::string_view reason) {
  // A legacy file may append only storages that its pickle mentions.
  std::vector<testing::LegacyStorage> storages;
  if (pickle.find("FloatStorage") != std::string::npos) storages.push_back({"0", 4, kSix});
  const std::string forms[] = {zip_checkpoint(pickle, {{"0", kSix}}).bytes(),
                               legacy_checkpoint(pickle, storages)};
  for (const std::string& form : forms) {
    EXPECT_THAT(message_of<FormatError>([&] { (void)open_bytes(form); }),
                HasSubstr(std::string(reason)));
  }
}

TEST(PthHostileTest, RefusesTensorsOutsideTheirStorage) {
  expect_refused(single(6, 0, {7}, {1}), "does not fit");
  expect_refused(single(6, 5, {2}, {1}), "does not fit");
  expect_refused(single(6, 0, {2}, {6}), "does not fit");
  expect_refused(single(1'000'000, 0, {1'000'000}, {1}), "does not fit");
  expect_refused(single(6, 0, {2'000'000'000, 2'000'000'000, 2'000'000'000}, {1, 1, 1}),
                 "malformed shape");
  expect_refused(single(6, 0, {2, 3}, {1}), "malformed shape");
  expect_refused(single(6, 0, {-2}, {1}), "expected a tensor");
  expect_refused(single(6, 0, {2}, {-1}), "expected a tensor");
  expect_refused(single(6, -1, {2}, {1}), "expected a tensor");
}

TEST(PthHostileTest, RefusesHugeExpansions) {
  expect_refused(single(6, 0, {2'000'000'000, 1000}, {0, 0}), "expanded view");
}

TEST(PthHostileTest, NamesAMissingStorage) {
  EXPECT_THAT(message_of<FormatError>(
                  [&] { (void)open_bytes(zip_checkpoint(single(6, 0, {6}, {1}), {}).bytes()); }),
              HasSubstr("storage '0', which is missing"));
}

TEST(PthHostileTest, RefusesMalformedTensorCalls) {
  const auto call = [](std::string_view name) {
    return PickleBuilder()
        .proto()
        .dict()
        .string("w")
        .global("torch._utils", name)
        .empty_tuple()
        .reduce()
        .set_item()
        .stop();
  };
  for (const std::string_view name :
       {"_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_parameter"}) {
    expect_refused(call(name), "expected a tensor");
  }
}

TEST(PthHostileTest, LeavesHostileCallsOpaque) {
  const TempDir dir;
  const std::string command = "touch " + (dir / "pwned").string();
  PickleBuilder p;
  p.proto().dict();
  p.string("a").global("os", "system").mark().string(command).tuple().reduce().set_item();
  p.string("b").global("builtins", "eval").mark().string(command).tuple().reduce().set_item();
  p.string("w").tensor("FloatStorage", "0", 6, 0, {6}, {1}).set_item();
  const auto file = open_bytes(zip_checkpoint(p.stop(), {{"0", kSix}}).bytes());
  EXPECT_THAT(file->names(), ElementsAre("w"));
  EXPECT_THAT(file->skipped(), ElementsAre("a: os.system", "b: builtins.eval"));
  EXPECT_TRUE(dir.names().empty());
}

TEST(PthHostileTest, RefusesSelfContainingAndExplodingTrees) {
  PickleBuilder self;
  self.proto().dict().put(1).string("x").get(1).set_item();
  expect_refused(self.stop(), "nests deeper");
  PickleBuilder laughs;  // ten references to ten references to ...
  laughs.proto().list().put(0);
  for (std::uint8_t level = 1; level < 20; ++level) {
    laughs.list();
    for (int i = 0; i < 10; ++i) laughs.get(static_cast<std::uint8_t>(level - 1)).append();
    laughs.put(level);
  }
  expect_refused(laughs.stop(), "too many values");
}

TEST(PthHostileTest, RefusesEveryTruncation) {
  const std::string pickle = single(6, 0, {2, 3}, {3, 1});
  for (const std::string& whole : {zip_checkpoint(pickle, {{"0", kSix}}).bytes(),
                                   legacy_checkpoint(pickle, {{"0", 4, kSix}})}) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      EXPECT_THROW((void)open_bytes(whole.substr(0, size)), FormatError) << size;
    }
  }
}

TEST(PthHostileTest, SurvivesEveryFlippedByte) {
  const std::string pickle = single(6, 0, {2, 3}, {3, 1});
  for (std::string whole : {zip_checkpoint(pickle, {{"0", kSix}}).bytes(),
                            legacy_checkpoint(pickle, {{"0", 4, kSix}})}) {
    int read = 0;
    for (char& byte : whole) {
      byte = static_cast<char>(byte ^ 0x55);
      try {
        const auto file = open_bytes(whole);
        for (const std::string& name : file->names()) read += file->read(name).empty() ? 0 : 1;
      } catch (const Error&) {  // the only kind of exception that may come
      }
      byte = static_cast<char>(byte ^ 0x55);
    }
    EXPECT_GT(read, 0);  // flips in padding and data are harmless
  }
}

TEST(PthHostileTest, RefusesZipBombs) {
  // 64 MiB of zeros in 64 KB, said to be 1,000 bytes; then a size that deflate cannot reach.
  const std::string zeros(64 << 20, '\0');
  const std::string lying =
      ZipBuilder().lying("a/data.pkl", zeros, 1000).stored("a/data/0", kSix).bytes();
  EXPECT_THAT(message_of<FormatError>([&] { (void)open_bytes(lying); }), HasSubstr("at most 1000"));
  const std::string claims = ZipBuilder().lying("a/data.pkl", "x", std::uint64_t{1} << 40).bytes();
  EXPECT_THAT(message_of<FormatError>([&] { (void)open_bytes(claims); }), HasSubstr("claims"));
}

TEST(PthHostileTest, RefusesOtherPicklesAndArchives) {
  EXPECT_THAT(message_of<FormatError>([&] { (void)open_bytes("\x80\x02K\x01."); }),
              HasSubstr("another pickle"));
  EXPECT_THAT(
      message_of<FormatError>([&] { (void)open_bytes(ZipBuilder().stored("x", "y").bytes()); }),
      HasSubstr("data.pkl"));
}

TEST(PthHostileTest, RefusesLegacyStorageKeysThatAreNoList) {
  const std::string whole = legacy_checkpoint(single(6, 0, {6}, {1}), {{"0", 4, kSix}});
  const std::string keys = PickleBuilder().proto().list().string("0").append().stop();
  const std::size_t at = whole.rfind(keys);
  ASSERT_NE(at, std::string::npos);
  for (const std::string& other :
       {PickleBuilder().dict().string("0").string("0").set_item().stop(),
        PickleBuilder().string("0").stop(),
        PickleBuilder().global("m", "C").empty_tuple().reduce().string("0").append().stop()}) {
    std::string broken = whole;
    broken.replace(at, keys.size(), other);
    EXPECT_THAT(message_of<FormatError>([&] { (void)open_bytes(broken); }),
                HasSubstr("list of storage keys"));
  }
}

TEST(PthHostileTest, RefusesHugeLegacyStorages) {
  std::string bytes = legacy_checkpoint(single(6, 0, {6}, {1}), {{"0", 4, kSix}});
  for (const std::int64_t numel : {std::int64_t{-1}, INT64_MAX, std::int64_t{7}}) {
    bytes.replace(bytes.size() - kSix.size() - 8, 8, raw<std::int64_t>({numel}));
    EXPECT_THROW((void)open_bytes(bytes), FormatError);
  }
}

TEST(PthLazyTest, ReadsOneTensorOutOfSixGigabytesWithoutTheRest) {
  const TempDir dir;
  constexpr std::int64_t kHuge = std::int64_t{6} << 30;
  PickleBuilder p;
  p.proto().dict().string("huge").global("torch._utils", "_rebuild_tensor_v2").mark();
  p.mark()
      .string("storage")
      .global("torch", "FloatStorage")
      .string("0")
      .string("cpu")
      .raw("\x8A\x08")
      .number(kHuge / 4)
      .tuple()
      .raw("Q");
  p.integer(0)
      .mark()
      .raw("\x8A\x08")
      .number(kHuge / 4)
      .tuple()
      .integers({1})
      .boolean(false)
      .ordered_dict()
      .tuple()
      .reduce()
      .set_item();
  p.string("small").tensor("FloatStorage", "1", 6, 0, {6}, {1}).set_item();
  ZipBuilder()
      .stored("m/data.pkl", p.stop())
      .hole("m/data/0", kHuge)
      .stored("m/data/1", kSix)
      .write(dir / "huge.pth");
  ASSERT_GT(std::filesystem::file_size(dir / "huge.pth"), static_cast<std::uintmax_t>(kHuge));

  rusage before{};
  ::getrusage(RUSAGE_SELF, &before);
  const auto file = PthFile::open(dir / "huge.pth");
  EXPECT_THAT(file->read("small").to_f32(), ElementsAre(0, 1, 2, 3, 4, 5));
  const HostTensor huge = file->read("huge");
  EXPECT_EQ(huge.numel(), kHuge / 4);
  EXPECT_EQ(huge.data<float>()[static_cast<std::size_t>(kHuge / 4 - 1)], 0.0F);
  rusage after{};
  ::getrusage(RUSAGE_SELF, &after);
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 64 << 10);  // KiB
}

}  // namespace
}  // namespace conopa
