#include "apps/conopa/tensor_cast.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "conopa/core/error.h"

namespace conopa {
namespace {

HostTensor floats(const std::vector<float>& values) {
  return HostTensor::of<float>(DType::kF32, {static_cast<std::int64_t>(values.size())}, values);
}

TEST(CastFloatsTest, RoundsToHalf) {
  const HostTensor half = app::cast_floats(floats({1.0F, 0.1F, -2.5F}), DType::kF16, "x");

  EXPECT_EQ(half.dtype(), DType::kF16);
  EXPECT_EQ(half.to_f32(), (std::vector<float>{1.0F, half_to_float(float_to_half(0.1F)), -2.5F}));
}

TEST(CastFloatsTest, RefusesValuesBeyondTheRange) {
  EXPECT_THROW((void)app::cast_floats(floats({70000.0F}), DType::kF16, "x"), FormatError);
  EXPECT_NO_THROW((void)app::cast_floats(floats({70000.0F}), DType::kBF16, "x"));
}

TEST(CastFloatsTest, KeepsInfinitiesAndIntegers) {
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(app::cast_floats(floats({infinity}), DType::kF16, "x").to_f32()[0], infinity);
  const std::vector<std::int64_t> one{7};
  const HostTensor integer = HostTensor::of<std::int64_t>(DType::kI64, {1}, one);
  EXPECT_EQ(app::cast_floats(integer, DType::kF16, "x").dtype(), DType::kI64);
}

TEST(CountNonfiniteTest, CountsNanAndInfinity) {
  const float infinity = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(app::count_nonfinite(floats({0.0F, infinity, nan, -infinity})), 3);
}

TEST(DtypeOptionTest, RefusesOtherWords) {
  EXPECT_THROW((void)app::dtype_option("f8"), UsageError);
}

}  // namespace
}  // namespace conopa
