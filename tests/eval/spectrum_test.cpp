#include "conopa/eval/spectrum.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "conopa/core/error.h"
#include "conopa/core/rng.h"

namespace conopa::eval {
namespace {

using Complex = std::complex<double>;

std::vector<float> random_row(std::int64_t n) {
  Rng rng(static_cast<std::uint64_t>(n), RngPurpose::kTest);
  std::vector<float> row(static_cast<std::size_t>(n));
  for (float& x : row) x = static_cast<float>(rng.normal());
  return row;
}

// The definition, in long double.
std::vector<Complex> direct(const std::vector<float>& row) {
  const std::size_t n = row.size();
  std::vector<Complex> out;
  for (std::size_t k = 0; k <= n / 2; ++k) {
    std::complex<long double> sum = 0.0L;
    for (std::size_t j = 0; j < n; ++j) {
      const long double angle = -2.0L * std::numbers::pi_v<long double> *
                                static_cast<long double>(j * k % n) / static_cast<long double>(n);
      sum += static_cast<long double>(row[j]) *
             std::complex<long double>(std::cos(angle), std::sin(angle));
    }
    out.emplace_back(static_cast<double>(sum.real()), static_cast<double>(sum.imag()));
  }
  return out;
}

std::vector<Complex> spectrum(const std::vector<float>& row) {
  RealSpectrum plan(std::ssize(row));
  std::vector<Complex> out(static_cast<std::size_t>(plan.bins()));
  plan.run(row, out);
  return out;
}

class RealSpectrumLengthTest : public ::testing::TestWithParam<std::int64_t> {};

TEST_P(RealSpectrumLengthTest, AgreesWithTheDirectSum) {
  const std::vector<float> row = random_row(GetParam());
  const std::vector<Complex> expected = direct(row);
  const std::vector<Complex> actual = spectrum(row);
  ASSERT_EQ(actual.size(), expected.size());
  // Typical bins have the magnitude √n; rounding grows with the levels of the transform.
  const double tolerance = 2e-15 * std::sqrt(static_cast<double>(row.size())) *
                           (4.0 + std::log2(static_cast<double>(row.size())));
  for (std::size_t k = 0; k < expected.size(); ++k) {
    EXPECT_LT(std::abs(actual[k] - expected[k]), tolerance) << "bin " << k;
  }
}

INSTANTIATE_TEST_SUITE_P(Lengths, RealSpectrumLengthTest,
                         ::testing::Values(1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 97, 192, 384, 768, 1000,
                                           1024, 1025));

TEST(RealSpectrumTest, OneObjectServesManyRows) {
  RealSpectrum plan(12);
  std::vector<Complex> out(7);
  plan.run(std::vector<float>(12, 1.0F), out);
  const std::vector<float> row = random_row(12);
  plan.run(row, out);
  EXPECT_EQ(out, spectrum(row));
}

TEST(RealSpectrumTest, EdgeBinsAreRealAndVanishingBinsAreZero) {
  for (const std::int64_t n : {6, 8, 9}) {
    const std::vector<Complex> constant =
        spectrum(std::vector<float>(static_cast<std::size_t>(n), -0.3F));
    EXPECT_NEAR(constant[0].real(), -0.3 * static_cast<double>(n), 1e-6);
    EXPECT_EQ(constant[0].imag(), 0.0);
    EXPECT_FALSE(std::signbit(constant[0].imag()));
    for (std::size_t k = 1; k < constant.size(); ++k) EXPECT_EQ(constant[k], Complex{}) << n;
  }
  const std::vector<Complex> random = spectrum(random_row(10));
  EXPECT_EQ(random.back().imag(), 0.0);
  EXPECT_FALSE(std::signbit(random.back().imag()));
}

TEST(RealSpectrumTest, RefusesOtherLengths) {
  EXPECT_THROW(RealSpectrum(0), ShapeError);
  EXPECT_THROW(RealSpectrum((std::int64_t{1} << 24) + 1), ShapeError);
  RealSpectrum plan(4);
  std::vector<Complex> out(3);
  EXPECT_THROW(plan.run(std::vector<float>(5), out), ShapeError);
  out.resize(4);
  EXPECT_THROW(plan.run(std::vector<float>(4), out), ShapeError);
}

}  // namespace
}  // namespace conopa::eval
