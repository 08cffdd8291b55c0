#include "conopa/io/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/core/error.h"
#include "conopa/io/gguf.h"
#include "conopa/io/safetensors.h"
#include "conopa/io/sharded.h"
#include "tests/io/pth_testing.h"
#include "tests/io/temp_dir.h"

namespace conopa {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;
using testing::TempDir;
using testing::to_bytes;
using testing::write_plain;

const std::string kOne = testing::raw<float>({8});

std::vector<NamedTensor> tensors() {
  const std::vector<float> values{8.0F};
  return {{"w", HostTensor::of<float>(DType::kF32, {1}, values)}};
}

std::string pickle() {
  return testing::PickleBuilder()
      .proto()
      .dict()
      .string("w")
      .tensor("FloatStorage", "0", 1, 0, {1}, {1})
      .set_item()
      .stop();
}

template <typename Exception>
std::string refusal(std::string_view content) {
  return message_of<Exception>(
      [&] { (void)recognise_checkpoint(*MappedFile::in_memory("x", to_bytes(content))); });
}

TEST(OpenCheckpointTest, RecognisesFilesByContentWhateverTheirName) {
  const TempDir dir;
  write_safetensors(dir / "a.pth", tensors());
  testing::zip_checkpoint(pickle(), {{"0", kOne}}).write(dir / "b.safetensors");
  write_plain(dir / "c.npz", testing::legacy_checkpoint(pickle(), {{"0", 4, kOne}}));
  write_gguf(dir / "d.bin", {}, std::vector{gguf_tensor("w", tensors()[0].tensor)});
  for (const std::string_view name : {"a.pth", "b.safetensors", "c.npz", "d.bin"}) {
    EXPECT_THAT(open_checkpoint(dir / name)->read("w").to_f32(), ElementsAre(8.0F)) << name;
  }
}

TEST(OpenCheckpointTest, FindsTheCheckpointOfAFolder) {
  const TempDir dir;
  write_plain(dir / "config.json", "{}");
  write_safetensors(dir / "weights.safetensors", tensors());
  EXPECT_TRUE(open_checkpoint(dir.path())->contains("w"));
  write_safetensors(dir / "more.safetensors", tensors());
  EXPECT_THAT(message_of<FormatError>([&] { (void)open_checkpoint(dir.path()); }),
              HasSubstr("found 2"));
  write_sharded(dir.path(), tensors());
  EXPECT_THAT(open_checkpoint(dir.path())->where(), HasSubstr("model.safetensors"));
}

TEST(OpenCheckpointTest, FindsShards) {
  const TempDir dir;
  auto two = tensors();
  two.push_back({"v", two[0].tensor});
  write_sharded(dir.path(), two, {}, 4);
  EXPECT_THAT(open_checkpoint(dir.path())->names(), ElementsAre("v", "w"));
}

TEST(OpenCheckpointTest, PassesOptionsToPth) {
  const TempDir dir;
  testing::zip_checkpoint(pickle(), {{"0", kOne}}).write(dir / "b.pth");
  EXPECT_THROW((void)open_checkpoint(dir / "b.pth", {.key_path = "model"}), FormatError);
}

TEST(RecogniseCheckpointTest, SaysWhatAWrongFileIs) {
  EXPECT_THAT(refusal<FormatError>(""), HasSubstr("empty file"));
  EXPECT_THAT(refusal<FormatError>("version https://git-lfs.github.com/spec/v1\noid sha256:0"),
              HasSubstr("git lfs pull"));
  EXPECT_THAT(refusal<FormatError>("<!DOCTYPE html>"), HasSubstr("web page"));
  EXPECT_THAT(refusal<FormatError>("what is this"), HasSubstr("something else"));
  EXPECT_THAT(refusal<FormatError>(testing::ZipBuilder().stored("a.txt", "x").bytes()),
              HasSubstr("zip archive"));
}

TEST(OpenCheckpointTest, NamesAMissingPath) {
  const TempDir dir;
  EXPECT_THROW((void)open_checkpoint(dir / "none"), IoError);
  EXPECT_THROW((void)open_checkpoint(dir.path()), FormatError);
}

TEST(MemorySourceTest, GivesTensorsBackAndRefusesDuplicates) {
  const MemorySource source(tensors(), {{"k", "v"}});
  EXPECT_THAT(source.read("w").to_f32(), ElementsAre(8.0F));
  EXPECT_EQ(source.metadata().at("k"), "v");
  EXPECT_EQ(read_all(source).front().name, "w");
  auto twice = tensors();
  twice.push_back(twice[0]);
  EXPECT_THROW(MemorySource{twice}, FormatError);
}

}  // namespace
}  // namespace conopa
