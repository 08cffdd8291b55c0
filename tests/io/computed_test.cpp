// Tensors that are made while they are written, and several files as one source.

#include "conopa/io/computed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "conopa/core/error.h"
#include "conopa/io/merged.h"
#include "conopa/io/safetensors.h"
#include "conopa/io/sharded.h"
#include "tests/io/temp_dir.h"

namespace conopa {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::read_plain;
using testing::TempDir;

HostTensor numbers(Shape shape, float first) {
  std::vector<float> values(static_cast<std::size_t>(element_count(shape)));
  std::iota(values.begin(), values.end(), first);
  return HostTensor::of<float>(DType::kF32, std::move(shape), std::span<const float>(values));
}

std::vector<NamedTensor> sample() {
  return {{"b", numbers({3, 4}, 0.0F)},
          {"a", numbers({5}, 100.0F)},
          {"c", HostTensor::zeros(DType::kI64, {})},
          {"d", numbers({2, 2}, 7.0F)}};
}

/// Notes in `log` when a tensor is made and released.
ComputedSource logged(std::vector<std::string>& log) {
  std::vector<ComputedTensor> out;
  for (NamedTensor& named : sample()) {
    ComputedTensor tensor = computed(named.name, named.tensor);
    tensor.make = [&log, named] {
      log.push_back("make " + named.name);
      return named.tensor;
    };
    tensor.release = [&log, name = named.name] { log.push_back("release " + name); };
    out.push_back(std::move(tensor));
  }
  return ComputedSource(std::move(out));
}

TEST(ComputedSourceTest, WritesTheSameBytesAsTensorsInMemory) {
  const TempDir dir;
  std::vector<std::string> log;
  const ComputedSource source = logged(log);

  write_safetensors(dir / "memory.safetensors", sample(), {{"format", "pt"}});
  write_safetensors(dir / "stream.safetensors", source, source.names(), {{"format", "pt"}});

  EXPECT_EQ(read_plain(dir / "stream.safetensors"), read_plain(dir / "memory.safetensors"));
}

TEST(ComputedSourceTest, HoldsOneTensorAtATime) {
  const TempDir dir;
  std::vector<std::string> log;
  const ComputedSource source = logged(log);

  write_safetensors(dir / "m.safetensors", source, source.names());

  EXPECT_THAT(log, ElementsAre("make c", "release c", "make a", "release a", "make b", "release b",
                               "make d", "release d"));
}

TEST(ComputedSourceTest, WritesTheSameShards) {
  const TempDir dir;
  std::filesystem::create_directory(dir / "memory");
  std::filesystem::create_directory(dir / "stream");
  std::vector<std::string> log;

  write_sharded(dir / "memory", sample(), {{"format", "pt"}}, 60);
  write_sharded(dir / "stream", logged(log), {{"format", "pt"}}, 60);

  for (const char* file : {"model.safetensors.index.json", "model-00001-of-00002.safetensors",
                           "model-00002-of-00002.safetensors"}) {
    EXPECT_EQ(read_plain(dir / "stream" / file), read_plain(dir / "memory" / file)) << file;
  }
}

TEST(ComputedSourceTest, RefusesATensorOfAnotherShapeThanAnnounced) {
  const ComputedSource source(
      {{.name = "x", .shape = {2, 2}, .make = [] { return numbers({4}, 0.0F); }}}, {}, "here");
  try {
    static_cast<void>(source.read("x"));
    FAIL();
  } catch (const FormatError& error) {
    EXPECT_THAT(error.what(), HasSubstr("expected x as F32 of shape [2, 2], found F32 of shape"));
  }
}

TEST(ReleaseTest, ReleasedTensorsReadTheSameAgain) {
  const TempDir dir;
  const HostTensor big = numbers({64, 1024}, 0.0F);  // 64 pages
  write_safetensors(dir / "m.safetensors", std::vector<NamedTensor>{{"big", big}});
  const auto file = SafetensorsFile::open(dir / "m.safetensors");
  const HostTensor before = file->read("big");
  EXPECT_EQ(before.to_f32(), big.to_f32());

  file->release("big");
  file->release("unknown");

  EXPECT_EQ(before.to_f32(), big.to_f32());
  EXPECT_EQ(file->read("big").to_f32(), big.to_f32());
}

std::unique_ptr<TensorSource> memory(std::vector<NamedTensor> tensors, std::string where) {
  return std::make_unique<MemorySource>(std::move(tensors), Metadata{{"from", where}}, where);
}

TEST(MergedSourceTest, ShowsTheTensorsOfAllSources) {
  std::vector<std::unique_ptr<TensorSource>> parts;
  parts.push_back(memory({{"trunk", numbers({3}, 0.0F)}}, "backbone"));
  parts.push_back(memory({{"head", numbers({2}, 5.0F)}}, "head"));

  const MergedSource merged(std::move(parts));

  EXPECT_THAT(merged.names(), ElementsAre("trunk", "head"));
  EXPECT_THAT(merged.read("head").to_f32(), ElementsAre(5.0F, 6.0F));
  EXPECT_EQ(merged.where(), "backbone");
  EXPECT_EQ(merged.metadata().at("from"), "backbone");
}

TEST(MergedSourceTest, RefusesNamesThatTwoSourcesHave) {
  std::vector<std::unique_ptr<TensorSource>> parts;
  parts.push_back(memory({{"a", numbers({3}, 0.0F)}}, "one.pth"));
  parts.push_back(memory({{"b", numbers({2}, 5.0F)}, {"a", numbers({3}, 0.0F)}}, "two.pth"));
  try {
    const MergedSource merged(std::move(parts));
    FAIL();
  } catch (const FormatError& error) {
    EXPECT_THAT(error.what(), HasSubstr("[two.pth] expected tensors that one.pth lacks, found a"));
  }
}

}  // namespace
}  // namespace conopa
