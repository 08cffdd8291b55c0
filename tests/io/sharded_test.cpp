#include "conopa/io/sharded.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/core/error.h"
#include "conopa/io/safetensors.h"
#include "tests/io/pth_testing.h"
#include "tests/io/temp_dir.h"

namespace conopa {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;
using testing::TempDir;
using testing::write_plain;

constexpr std::string_view kIndex = "model.safetensors.index.json";

std::vector<NamedTensor> three() {
  std::vector<NamedTensor> out;
  for (const float value : {1.0F, 2.0F, 3.0F}) {
    const std::vector<float> values(4, value);
    out.push_back({fmt::format("t{}", value), HostTensor::of<float>(DType::kF32, {4}, values)});
  }
  return out;
}

void expect_refused(const std::string& index, std::string_view reason) {
  const TempDir dir;
  write_plain(dir / kIndex, index);
  EXPECT_THAT(message_of<FormatError>([&] { (void)ShardedCheckpoint::open(dir / kIndex); }),
              HasSubstr(std::string(reason)))
      << index;
}

TEST(ShardedTest, WritesOneFileWhenItFits) {
  const TempDir dir;
  write_sharded(dir.path(), three(), {}, 48);
  EXPECT_THAT(dir.names(), ElementsAre("model.safetensors"));
}

TEST(ShardedTest, SplitsAndReadsBack) {
  const TempDir dir;
  write_sharded(dir.path(), three(), {{"format", "pt"}}, 32);
  EXPECT_THAT(dir.names(), ElementsAre("model-00001-of-00002.safetensors",
                                       "model-00002-of-00002.safetensors", kIndex));
  const auto source = ShardedCheckpoint::open(dir / kIndex);
  EXPECT_EQ(source->shard_names().size(), 2U);
  EXPECT_THAT(source->names(), ElementsAre("t1", "t2", "t3"));
  EXPECT_THAT(source->read("t3").to_f32(), ElementsAre(3, 3, 3, 3));
  EXPECT_EQ(source->metadata().at("total_size"), "48");
  EXPECT_EQ(source->metadata().at("format"), "pt");
}

TEST(ShardedTest, GivesALargeTensorItsOwnShard) {
  const TempDir dir;
  write_sharded(dir.path(), three(), {}, 1);
  EXPECT_EQ(ShardedCheckpoint::open(dir / kIndex)->shard_names().size(), 3U);
}

TEST(ShardedTest, RefusesDuplicateNames) {
  const TempDir dir;
  auto tensors = three();
  tensors[2].name = tensors[0].name;
  EXPECT_THROW(write_sharded(dir.path(), tensors, {}, 1), FormatError);
}

TEST(ShardedTest, ReadsPyTorchShards) {
  const TempDir dir;
  const std::string pickle = testing::PickleBuilder()
                                 .proto()
                                 .dict()
                                 .string("w")
                                 .tensor("FloatStorage", "0", 1, 0, {1}, {1})
                                 .set_item()
                                 .stop();
  testing::zip_checkpoint(pickle, {{"0", testing::raw<float>({8})}}).write(dir / "p-1.bin");
  write_plain(dir / "pytorch_model.bin.index.json", R"({"weight_map": {"w": "p-1.bin"}})");
  const auto source = ShardedCheckpoint::open(dir / "pytorch_model.bin.index.json");
  EXPECT_THAT(source->read("w").to_f32(), ElementsAre(8));
}

TEST(ShardedTest, NamesAMissingShard) {
  const TempDir dir;
  write_sharded(dir.path(), three(), {}, 32);
  std::filesystem::remove(dir / "model-00002-of-00002.safetensors");
  EXPECT_THAT(message_of<IoError>([&] { (void)ShardedCheckpoint::open(dir / kIndex); }),
              HasSubstr("model-00002-of-00002.safetensors"));
}

TEST(ShardedTest, NamesATensorThatItsShardLacks) {
  const TempDir dir;
  write_safetensors(dir / "a.safetensors", three());
  write_plain(dir / kIndex, R"({"weight_map": {"other": "a.safetensors"}})");
  EXPECT_THAT(message_of<FormatError>([&] { (void)ShardedCheckpoint::open(dir / kIndex); }),
              HasSubstr("'other'"));
}

TEST(ShardedTest, RefusesPathsOutOfTheFolder) {
  for (const std::string_view name : {"../secret.safetensors", "/etc/passwd", "sub/a.safetensors",
                                      "..", "", "a\\\\b", "a\\u0000b"}) {
    expect_refused(fmt::format(R"({{"weight_map": {{"a": "{}"}}}})", name), "out of the folder");
  }
}

TEST(ShardedTest, RefusesDamagedIndexes) {
  expect_refused("", "weight_map");
  expect_refused("{", "weight_map");
  expect_refused("[]", "weight_map");
  expect_refused(R"({"weight_map": []})", "weight_map");
  expect_refused(R"({"weight_map": {"a": 1}})", "file name");
  expect_refused(fmt::format(R"({{"weight_map": {{"a": "{}"}}}})", kIndex), "itself an index");
}

}  // namespace
}  // namespace conopa
