#include "conopa/core/dtype.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

namespace conopa {
namespace {

constexpr std::uint16_t kHalfInfinity = 0x7C00;
constexpr std::uint16_t kBf16Infinity = 0x7F80;

// The value of finite half bits by the definition of the format.
double half_value(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 0x1F;
  const int mantissa = bits & 0x3FF;
  const double magnitude =
      exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return (bits & 0x8000U) != 0 ? -magnitude : magnitude;
}

TEST(DTypeTest, NamesAndSizesAreConsistent) {
  for (int i = 0; i < 10; ++i) {
    const auto dtype = static_cast<DType>(i);
    EXPECT_EQ(dtype_from_name(dtype_name(dtype)), dtype);
  }
  EXPECT_EQ(dtype_name(DType::kBF16), "BF16");
  EXPECT_EQ(dtype_name(DType::kBool), "BOOL");
  EXPECT_EQ(dtype_size(DType::kF64), 8);
  EXPECT_EQ(dtype_size(DType::kF32), 4);
  EXPECT_EQ(dtype_size(DType::kF16), 2);
  EXPECT_EQ(dtype_size(DType::kU8), 1);
  EXPECT_EQ(dtype_from_name("F8_E4M3"), std::nullopt);
  EXPECT_EQ(dtype_from_name("f32"), std::nullopt);
}

TEST(HalfTest, EveryFiniteValueIsExactAndRoundTrips) {
  for (int i = 0; i < 65536; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    if ((bits & kHalfInfinity) == kHalfInfinity) continue;
    const float value = half_to_float(bits);
    ASSERT_EQ(static_cast<double>(value), half_value(bits)) << i;
    ASSERT_EQ(std::signbit(value), (bits & 0x8000U) != 0) << i;
    ASSERT_EQ(float_to_half(value), bits) << i;
  }
}

TEST(HalfTest, InfinitiesAndEveryNanKeepTheirKind) {
  EXPECT_EQ(half_to_float(0x7C00), std::numeric_limits<float>::infinity());
  EXPECT_EQ(half_to_float(0xFC00), -std::numeric_limits<float>::infinity());
  EXPECT_EQ(float_to_half(std::numeric_limits<float>::infinity()), 0x7C00);
  EXPECT_EQ(float_to_half(-std::numeric_limits<float>::infinity()), 0xFC00);
  for (std::uint16_t bits = 0x7C01; bits < 0x8000; ++bits) {
    ASSERT_TRUE(std::isnan(half_to_float(bits)));
    ASSERT_TRUE(std::isnan(half_to_float(float_to_half(half_to_float(bits)))));
  }
}

TEST(HalfTest, RoundsToNearestAndTiesToEvenBetweenAllNeighbours) {
  // Up to the pair of the largest finite half (65504) and infinity, whose place is 65536.
  for (std::uint16_t low = 0; low < kHalfInfinity; ++low) {
    const auto high = static_cast<std::uint16_t>(low + 1);
    const double above = high == kHalfInfinity ? 65536.0 : half_value(high);
    const auto middle = static_cast<float>((half_value(low) + above) / 2);
    const std::uint16_t even = (low & 1U) == 0 ? low : high;
    ASSERT_EQ(float_to_half(middle), even) << low;
    ASSERT_EQ(float_to_half(std::nextafter(middle, 0.0F)), low) << low;
    ASSERT_EQ(float_to_half(std::nextafter(middle, 1e9F)), high) << low;
    ASSERT_EQ(float_to_half(-middle), even | 0x8000U) << low;
  }
}

TEST(HalfTest, OverflowStartsAt65520) {
  EXPECT_EQ(float_to_half(65504.0F), 0x7BFF);
  EXPECT_EQ(float_to_half(std::nextafter(65520.0F, 0.0F)), 0x7BFF);
  EXPECT_EQ(float_to_half(65520.0F), 0x7C00);
  EXPECT_EQ(float_to_half(std::nextafter(65536.0F, 0.0F)), 0x7C00);
  EXPECT_EQ(float_to_half(65536.0F), 0x7C00);
  EXPECT_EQ(float_to_half(std::numeric_limits<float>::max()), 0x7C00);
  EXPECT_EQ(float_to_half(-65520.0F), 0xFC00);
}

TEST(HalfTest, UnderflowsToSignedZero) {
  EXPECT_EQ(float_to_half(0x1p-25F), 0x0000);  // a tie between 0 and 2^-24, even is 0
  EXPECT_EQ(float_to_half(std::nextafter(0x1p-25F, 1.0F)), 0x0001);
  EXPECT_EQ(float_to_half(std::numeric_limits<float>::denorm_min()), 0x0000);
  EXPECT_EQ(float_to_half(-0.0F), 0x8000);
  EXPECT_EQ(float_to_half(-1e-30F), 0x8000);
}

TEST(Bf16Test, EveryValueRoundTrips) {
  for (int i = 0; i < 65536; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    const float value = bf16_to_float(bits);
    ASSERT_EQ(std::bit_cast<std::uint32_t>(value), static_cast<std::uint32_t>(i) << 16);
    if (std::isnan(value)) {
      ASSERT_TRUE(std::isnan(bf16_to_float(float_to_bf16(value)))) << i;
    } else {
      ASSERT_EQ(float_to_bf16(value), bits) << i;
    }
  }
}

TEST(Bf16Test, RoundsToNearestAndTiesToEvenBetweenAllNeighbours) {
  for (std::uint16_t low = 0; low < kBf16Infinity; ++low) {
    const auto high = static_cast<std::uint16_t>(low + 1);
    const std::uint32_t middle = (static_cast<std::uint32_t>(low) << 16) | 0x8000U;
    const std::uint16_t even = (low & 1U) == 0 ? low : high;
    ASSERT_EQ(float_to_bf16(std::bit_cast<float>(middle)), even) << low;
    ASSERT_EQ(float_to_bf16(std::bit_cast<float>(middle - 1)), low) << low;
    ASSERT_EQ(float_to_bf16(std::bit_cast<float>(middle + 1)), high) << low;
  }
}

TEST(Bf16Test, NanWithLowPayloadStaysNan) {
  EXPECT_TRUE(std::isnan(bf16_to_float(float_to_bf16(std::bit_cast<float>(0x7F800001U)))));
  EXPECT_TRUE(std::isnan(bf16_to_float(float_to_bf16(std::bit_cast<float>(0xFFFFFFFFU)))));
  EXPECT_EQ(float_to_bf16(-std::numeric_limits<float>::max()), 0xFF80);
}

}  // namespace
}  // namespace conopa
