#include "conopa/core/quant_blocks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "conopa/core/dtype.h"
#include "conopa/core/error.h"
#include "conopa/core/quant_matrix.h"
#include "conopa/core/rng.h"
#include "tests/core/thrown.h"

namespace conopa {
namespace {

using testing::message_of;

std::vector<std::byte> row_of_bytes(QuantForm form, std::size_t columns) {
  const auto size = static_cast<std::int64_t>(columns) / quant_unit(form) * quant_unit_bytes(form);
  return std::vector<std::byte>(static_cast<std::size_t>(size));
}

std::vector<float> round_trip(QuantForm form, const std::vector<float>& values,
                              const QuantSearch& search = {}) {
  std::vector<std::byte> bytes = row_of_bytes(form, values.size());
  const float scale = quantise_row(form, values, bytes, search);
  std::vector<float> back(values.size());
  dequantise_row(form, bytes, scale, back);
  return back;
}

std::vector<float> random_row(std::uint32_t seed, std::size_t columns) {
  Rng rng(seed, RngPurpose::kTest);
  std::vector<float> values(columns);
  for (float& v : values) v = static_cast<float>(0.02 * rng.normal());
  return values;
}

double squared_error(const std::vector<float>& a, const std::vector<float>& b,
                     const std::vector<float>& weight = {}) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double off = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    sum += off * off * (weight.empty() ? 1.0 : static_cast<double>(weight[i]));
  }
  return sum;
}

std::uint16_t half_at(const std::vector<std::byte>& bytes) {
  std::uint16_t half = 0;
  std::memcpy(&half, bytes.data(), sizeof half);
  return half;
}

TEST(QuantBlocksTest, Q8BlockMatchesTheHandComputedBytes) {
  std::vector<float> values(32, 0.0F);
  values[0] = -254.0F;  // scale 2
  values[1] = 3.0F;     // 1.5: away from zero
  values[2] = -1.0F;    // -0.5: away from zero
  values[31] = 100.0F;
  std::vector<std::byte> bytes = row_of_bytes(QuantForm::kQ8_0, 32);
  ASSERT_EQ(bytes.size(), 34U);
  EXPECT_EQ(quantise_row(QuantForm::kQ8_0, values, bytes), 1.0F);
  EXPECT_EQ(half_at(bytes), 0x4000);
  EXPECT_EQ(static_cast<std::int8_t>(bytes[2]), -127);
  EXPECT_EQ(static_cast<std::int8_t>(bytes[3]), 2);
  EXPECT_EQ(static_cast<std::int8_t>(bytes[4]), -1);
  EXPECT_EQ(static_cast<std::int8_t>(bytes[33]), 50);
}

TEST(QuantBlocksTest, Q4BlockMatchesTheHandComputedBytes) {
  std::vector<float> values(32, 0.0F);
  values[0] = 8.0F;    // the largest magnitude becomes code -8, so the scale is -1
  values[1] = -7.0F;   // code 7
  values[16] = -8.0F;  // code 8 does not exist: 7
  values[17] = 0.5F;   // -0.5 goes up to 0
  std::vector<std::byte> bytes = row_of_bytes(QuantForm::kQ4_0, 32);
  ASSERT_EQ(bytes.size(), 18U);
  EXPECT_EQ(quantise_row(QuantForm::kQ4_0, values, bytes), 1.0F);
  EXPECT_EQ(half_at(bytes), 0xBC00);
  EXPECT_EQ(std::to_integer<int>(bytes[2]), 0xF0);  // elements 0 (low) and 16 (high)
  EXPECT_EQ(std::to_integer<int>(bytes[3]), 0x8F);  // 1 and 17
  EXPECT_EQ(std::to_integer<int>(bytes[17]), 0x88);
  std::vector<float> back(32);
  dequantise_row(QuantForm::kQ4_0, bytes, 1.0F, back);
  EXPECT_EQ(back[0], 8.0F);
  EXPECT_EQ(back[1], -7.0F);
  EXPECT_EQ(back[16], -7.0F);
  EXPECT_EQ(back[17], 0.0F);
}

TEST(QuantBlocksTest, Int8RowTakesTheLargestMagnitudeAndRoundsToEven) {
  const std::vector<float> values{-254.0F, 3.0F, 1.0F, 100.0F, 0.0F};
  std::vector<std::byte> bytes = row_of_bytes(QuantForm::kInt8, values.size());
  EXPECT_EQ(quantise_row(QuantForm::kInt8, values, bytes), 2.0F);
  const std::vector<int> expected{-127, 2, 0, 50, 0};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(static_cast<int>(static_cast<std::int8_t>(bytes[i])), expected[i]) << i;
  }
}

TEST(QuantBlocksTest, RowsOfZerosStayZero) {
  for (const QuantForm form : {QuantForm::kInt8, QuantForm::kQ8_0, QuantForm::kQ4_0}) {
    for (const bool clip : {false, true}) {
      const std::vector<float> zeros(64, 0.0F);
      EXPECT_EQ(round_trip(form, zeros, {.clip = clip}), zeros) << enum_name(form);
    }
  }
}

TEST(QuantBlocksTest, ErrorStaysWithinHalfAStep) {
  // One step is max/127 or max/8 of a block (the row for int8); fp16 scales add 2^-11 of a value,
  // and the value opposite to the extreme of a 4-bit block loses a whole step.
  for (std::uint32_t seed = 0; seed < 20; ++seed) {
    const std::vector<float> values = random_row(seed, 96);
    for (const QuantForm form : {QuantForm::kInt8, QuantForm::kQ8_0, QuantForm::kQ4_0}) {
      const std::vector<float> back = round_trip(form, values);
      const std::size_t unit = has_blocks(form) ? 32 : values.size();
      for (std::size_t i = 0; i < values.size(); ++i) {
        float largest = 0.0F;
        for (std::size_t j = i / unit * unit; j < i / unit * unit + unit; ++j) {
          largest = std::max(largest, std::abs(values[j]));
        }
        const float steps = form == QuantForm::kQ4_0 ? 1.0F / 8.0F : 0.505F / 127.0F;
        EXPECT_LE(std::abs(values[i] - back[i]), largest * (steps + 0x1p-11F))
            << enum_name(form) << ' ' << i;
      }
    }
  }
}

TEST(QuantBlocksTest, SearchLowersTheErrorAndNeverRaisesIt) {
  double plain4 = 0.0;
  double searched4 = 0.0;
  for (std::uint32_t seed = 0; seed < 20; ++seed) {
    const std::vector<float> values = random_row(seed, 128);
    for (const QuantForm form : {QuantForm::kInt8, QuantForm::kQ8_0, QuantForm::kQ4_0}) {
      const double plain = squared_error(values, round_trip(form, values));
      const double searched = squared_error(values, round_trip(form, values, {.clip = true}));
      EXPECT_LE(searched, plain * (1.0 + 1e-5)) << enum_name(form);
      if (form != QuantForm::kQ4_0) continue;
      plain4 += plain;
      searched4 += searched;
    }
  }
  EXPECT_LT(searched4, 0.9 * plain4);
}

TEST(QuantBlocksTest, ImportanceMovesTheErrorToElementsThatDoNotMatter) {
  std::vector<float> importance(128, 1.0F);
  for (std::size_t i = 0; i < importance.size(); i += 8) importance[i] = 100.0F;
  double even = 0.0;
  double weighted = 0.0;
  for (std::uint32_t seed = 0; seed < 20; ++seed) {
    const std::vector<float> values = random_row(seed, 128);
    even += squared_error(values, round_trip(QuantForm::kQ4_0, values, {.clip = true}), importance);
    weighted += squared_error(
        values, round_trip(QuantForm::kQ4_0, values, {.clip = true, .importance = importance}),
        importance);
  }
  EXPECT_LT(weighted, 0.8 * even);
}

TEST(QuantBlocksTest, ValuesWithoutAScaleGiveNaN) {
  for (const QuantForm form : {QuantForm::kInt8, QuantForm::kQ8_0, QuantForm::kQ4_0}) {
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      std::vector<float> values(64, 0.5F);
      values[40] = bad;
      std::vector<std::byte> bytes = row_of_bytes(form, values.size());
      EXPECT_TRUE(std::isnan(quantise_row(form, values, bytes))) << enum_name(form);
    }
  }
  std::vector<float> huge(32, 1e7F);  // 1e7/127 is above fp16
  std::vector<std::byte> bytes = row_of_bytes(QuantForm::kQ8_0, 32);
  EXPECT_TRUE(std::isnan(quantise_row(QuantForm::kQ8_0, huge, bytes)));
}

TEST(QuantBlocksTest, RefusesSizesThatDoNotFit) {
  const std::vector<float> values(48);
  std::vector<std::byte> bytes(54);
  EXPECT_NE(message_of<ShapeError>([&] {
              static_cast<void>(quantise_row(QuantForm::kQ8_0, values, bytes));
            }).find("q8_0 in units of 32"),
            std::string::npos);
  std::vector<float> out(64);
  EXPECT_THROW(dequantise_row(QuantForm::kQ4_0, bytes, 1.0F, out), ShapeError);
}

TEST(QuantMatrixTest, RowsAreQuantisedOnTheirOwn) {
  for (const QuantForm form : {QuantForm::kInt8, QuantForm::kQ8_0, QuantForm::kQ4_0}) {
    std::vector<float> values;
    for (std::uint32_t r = 0; r < 40; ++r) {
      const std::vector<float> row = random_row(r, 64);
      values.insert(values.end(), row.begin(), row.end());
    }
    const QuantMatrix matrix = quantise_matrix(form, values, 40, 64, "file", "weight");
    EXPECT_EQ(matrix.values.shape(), (Shape{40, matrix.row_bytes()}));
    const HostTensor back = dequantise_matrix(matrix);
    ASSERT_EQ(back.shape(), (Shape{40, 64}));
    for (std::uint32_t r = 0; r < 40; ++r) {
      const std::span<const float> row = back.data<float>().subspan(r * 64, 64);
      EXPECT_EQ(std::vector<float>(row.begin(), row.end()), round_trip(form, random_row(r, 64)));
    }
  }
}

TEST(QuantMatrixTest, NamesTheMatrixThatHoldsNaN) {
  std::vector<float> values(64, 1.0F);
  values[33] = std::nanf("");
  const std::string text = message_of<FormatError>([&] {
    static_cast<void>(quantise_matrix(QuantForm::kQ4_0, values, 2, 32, "file", "blocks.0.w"));
  });
  EXPECT_NE(text.find("[file] expected finite values in blocks.0.w"), std::string::npos) << text;
}

}  // namespace
}  // namespace conopa
