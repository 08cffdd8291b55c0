#include "conopa/core/host_tensor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "conopa/core/error.h"
#include "tests/core/thrown.h"

namespace conopa {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

template <typename T>
HostTensor make(DType dtype, std::vector<T> values) {
  return HostTensor::of<T>(dtype, {static_cast<std::int64_t>(values.size())}, values);
}

TEST(ShapeTest, CountsElements) {
  EXPECT_EQ(element_count({}), 1);
  EXPECT_EQ(element_count({2, 3, 4}), 24);
  EXPECT_EQ(element_count({5, 0}), 0);
  EXPECT_EQ(to_string(Shape{2, 3}), "[2, 3]");
  EXPECT_EQ(to_string(Shape{}), "[]");
}

TEST(ShapeTest, RefusesNegativeAndOverflowingDimensions) {
  EXPECT_THROW((void)element_count({2, -1}), ShapeError);
  EXPECT_THROW((void)element_count({std::int64_t{1} << 32, std::int64_t{1} << 31}), ShapeError);
}

TEST(HostTensorTest, DefaultIsEmpty) {
  const HostTensor tensor;
  EXPECT_TRUE(tensor.empty());
  EXPECT_EQ(tensor.numel(), 0);
}

TEST(HostTensorTest, ZerosAreOwnedAlignedAndWritable) {
  HostTensor tensor = HostTensor::zeros(DType::kF32, {2, 3});
  EXPECT_THAT(tensor.to_f32(), ElementsAre(0, 0, 0, 0, 0, 0));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.bytes().data()) % 64, 0U);
  tensor.mutable_data<float>()[4] = 2.5F;
  EXPECT_EQ(tensor.data<float>()[4], 2.5F);
  EXPECT_EQ(tensor.dim(1), 3);
  EXPECT_THROW((void)tensor.dim(2), std::out_of_range);
}

TEST(HostTensorTest, ZeroElementsAreAllowed) {
  const HostTensor tensor = HostTensor::zeros(DType::kI64, {0, 4});
  EXPECT_EQ(tensor.numel(), 0);
  EXPECT_TRUE(tensor.data<std::int64_t>().empty());
  EXPECT_TRUE(tensor.to_f32().empty());
}

TEST(HostTensorTest, CopiesShareBytes) {
  HostTensor tensor = HostTensor::zeros(DType::kU8, {2});
  const HostTensor copy = tensor;
  tensor.mutable_data<std::uint8_t>()[0] = 7;
  EXPECT_EQ(copy.data<std::uint8_t>()[0], 7);
}

TEST(HostTensorTest, ViewKeepsItsOwnerAlive) {
  auto bytes = std::make_shared<std::array<std::byte, 4>>();
  const std::weak_ptr<const void> watch = bytes;
  {
    const HostTensor view(DType::kU8, {4}, *bytes, bytes);
    bytes.reset();
    EXPECT_FALSE(watch.expired());
    EXPECT_EQ(view.numel(), 4);
  }
  EXPECT_TRUE(watch.expired());
}

TEST(HostTensorTest, ViewMustHoldExactlyTheShape) {
  const std::array<std::byte, 8> bytes{};
  EXPECT_THAT(message_of<ShapeError>([&] { HostTensor(DType::kF32, {3}, bytes, nullptr); }),
              HasSubstr("[3] of F32 needs 12 bytes, found 8"));
  EXPECT_THROW(HostTensor(DType::kF32, {1}, bytes, nullptr), ShapeError);
  EXPECT_THROW(HostTensor(DType::kF64, {kMax / 4}, bytes, nullptr), ShapeError);
  EXPECT_NO_THROW(HostTensor(DType::kF32, {2}, bytes, nullptr));
}

TEST(HostTensorTest, ViewIsNotWritable) {
  const std::array<std::byte, 8> bytes{};
  HostTensor view(DType::kU8, {8}, bytes, nullptr);
  EXPECT_THROW((void)view.mutable_data<std::uint8_t>(), std::logic_error);
}

TEST(HostTensorTest, TypedViewChecksSizeAndAlignment) {
  alignas(8) const std::array<std::byte, 12> bytes{};
  const HostTensor view(DType::kF32, {2}, std::span(bytes).subspan(1, 8), nullptr);
  EXPECT_THROW((void)view.data<float>(), std::logic_error);
  EXPECT_THROW((void)view.data<double>(), std::logic_error);
  EXPECT_THAT(view.to_f32(), ElementsAre(0.0F, 0.0F));
}

TEST(HostTensorTest, OfRefusesAnotherCountOrElementSize) {
  const std::vector<float> values{1, 2, 3};
  EXPECT_THROW((void)HostTensor::of<float>(DType::kF32, {2}, values), ShapeError);
  EXPECT_THROW((void)HostTensor::of<float>(DType::kF64, {3}, values), std::logic_error);
}

TEST(HostTensorTest, ZerosRefuseOverflow) {
  EXPECT_THROW((void)HostTensor::zeros(DType::kF64, {kMax / 4}), ShapeError);
}

TEST(HostTensorTest, ConvertsEveryDType) {
  EXPECT_THAT(make<double>(DType::kF64, {-1.5, 2}).to_f32(), ElementsAre(-1.5F, 2.0F));
  EXPECT_THAT(make<float>(DType::kF32, {-1.5F, 2}).to_f64(), ElementsAre(-1.5, 2.0));
  EXPECT_THAT(make<std::uint16_t>(DType::kF16, {0x3C00, 0xC100}).to_f32(), ElementsAre(1.F, -2.5F));
  EXPECT_THAT(make<std::uint16_t>(DType::kBF16, {0x3F80, 0xC020}).to_f32(),
              ElementsAre(1.F, -2.5F));
  EXPECT_THAT(make<std::int64_t>(DType::kI64, {kMax, -1}).to_i64(), ElementsAre(kMax, -1));
  EXPECT_THAT(make<std::int32_t>(DType::kI32, {-70000}).to_i64(), ElementsAre(-70000));
  EXPECT_THAT(make<std::int16_t>(DType::kI16, {-300}).to_f32(), ElementsAre(-300.0F));
  EXPECT_THAT(make<std::int8_t>(DType::kI8, {-3}).to_i64(), ElementsAre(-3));
  EXPECT_THAT(make<std::uint8_t>(DType::kU8, {200}).to_i64(), ElementsAre(200));
  EXPECT_THAT(make<std::uint8_t>(DType::kBool, {0, 2}).to_f32(), ElementsAre(0.0F, 1.0F));
}

TEST(HostTensorTest, IntegersFromFloatsTruncateAndSaturate) {
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_THAT(
      make<float>(DType::kF32, {-1.9F, 1.9F, infinity, -infinity, std::nanf(""), 1e30F}).to_i64(),
      ElementsAre(-1, 1, kMax, std::numeric_limits<std::int64_t>::min(), 0, kMax));
  EXPECT_THAT(make<double>(DType::kF64, {-0x1p63, 0x1p63}).to_i64(),
              ElementsAre(std::numeric_limits<std::int64_t>::min(), kMax));
}

TEST(HostTensorTest, ReshapeKeepsBytesAndChecksTheCount) {
  const HostTensor tensor = make<float>(DType::kF32, {1, 2, 3, 4});
  const HostTensor square = tensor.reshaped({2, 2});
  EXPECT_EQ(square.shape(), (Shape{2, 2}));
  EXPECT_EQ(square.bytes().data(), tensor.bytes().data());
  EXPECT_THROW((void)tensor.reshaped({3}), ShapeError);
}

}  // namespace
}  // namespace conopa
