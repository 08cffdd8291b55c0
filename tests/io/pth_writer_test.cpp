#include "conopa/io/pth_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/core/error.h"
#include "conopa/io/pth.h"
#include "tests/io/temp_dir.h"

namespace conopa {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::read_plain;
using testing::TempDir;

HostTensor counted(DType dtype, Shape shape) {
  HostTensor out = HostTensor::zeros(dtype, shape);
  const std::size_t size = out.bytes().size();
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i % 2);
  auto owner = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  const std::span<const std::byte> view(*owner);
  return {dtype, std::move(shape), view, std::move(owner)};
}

bool same_bytes(const HostTensor& a, const HostTensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() &&
         std::ranges::equal(a.bytes(), b.bytes());
}

TEST(PthWriterTest, EveryElementTypeReturns) {
  const TempDir dir;
  std::vector<NamedTensor> tensors;
  for (const DType dtype : {DType::kF64, DType::kF32, DType::kF16, DType::kBF16, DType::kI64,
                            DType::kI32, DType::kI16, DType::kI8, DType::kU8, DType::kBool}) {
    tensors.push_back({std::string(dtype_name(dtype)), counted(dtype, {3, 5})});
  }
  write_pth(dir / "all.pth", tensors);
  const auto file = PthFile::open(dir / "all.pth");
  ASSERT_EQ(file->names().size(), tensors.size());
  for (const NamedTensor& named : tensors) {
    EXPECT_TRUE(same_bytes(file->read(named.name), named.tensor)) << named.name;
  }
}

TEST(PthWriterTest, ShapesOfEveryRankReturn) {
  const TempDir dir;
  std::vector<NamedTensor> tensors;
  for (const Shape& shape : {Shape{}, Shape{4}, Shape{0, 3}, Shape{2, 3, 4, 5}}) {
    tensors.push_back({to_string(shape), counted(DType::kF32, shape)});
  }
  write_pth(dir / "shapes.pth", tensors);
  const auto file = PthFile::open(dir / "shapes.pth");
  for (const NamedTensor& named : tensors) {
    EXPECT_TRUE(same_bytes(file->read(named.name), named.tensor)) << named.name;
  }
}

TEST(PthWriterTest, KeepsTheOrderOfNames) {
  const TempDir dir;
  const HostTensor one = counted(DType::kF32, {1});
  write_pth(dir / "order.pth", std::vector<NamedTensor>{{"b.weight", one}, {"a.weight", one}});
  EXPECT_THAT(PthFile::open(dir / "order.pth")->names(), ElementsAre("b.weight", "a.weight"));
}

TEST(PthWriterTest, BytesDependOnContentAlone) {
  const TempDir dir;
  const std::vector<NamedTensor> tensors{{"w", counted(DType::kF32, {2, 2})}};
  std::filesystem::create_directory(dir / "other");
  write_pth(dir / "a.pth", tensors);
  write_pth(dir / "other/a.pth", tensors);
  EXPECT_EQ(read_plain(dir / "a.pth"), read_plain(dir / "other/a.pth"));
}

TEST(PthWriterTest, RefusesANameTwice) {
  const TempDir dir;
  const HostTensor one = counted(DType::kF32, {1});
  const std::string message = testing::message_of<FormatError>([&] {
    write_pth(dir / "twice.pth", std::vector<NamedTensor>{{"w", one}, {"w", one}});
  });
  EXPECT_THAT(message, HasSubstr("'w' is used twice"));
  EXPECT_THAT(dir.names(), ::testing::IsEmpty());
}

}  // namespace
}  // namespace conopa
