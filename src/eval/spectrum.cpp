#include "conopa/eval/spectrum.h"

#include <bit>
#include <cmath>
#include <numbers>

#include "conopa/core/error.h"

namespace conopa::eval {
namespace {

constexpr std::int64_t kMaxLength = std::int64_t{1} << 24;
constexpr double kRounding = 1e-14;

// Angles as fractions of a turn: the numerator is reduced exactly before anything is rounded.
std::complex<double> root(std::uint64_t numerator, std::uint64_t denominator) {
  const double angle = -2.0 * std::numbers::pi * static_cast<double>(numerator % denominator) /
                       static_cast<double>(denominator);
  return {std::cos(angle), std::sin(angle)};
}

// The product without the checks for infinities that operator* makes.
std::complex<double> times(const std::complex<double>& a, const std::complex<double>& b) noexcept {
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

}  // namespace

RealSpectrum::RealSpectrum(std::int64_t length) : length_(length) {
  if (length < 1 || length > kMaxLength) {
    throw ShapeError("spectrum", "expected rows of 1 to {} numbers, got {}", kMaxLength, length);
  }
  const auto n = static_cast<std::uint64_t>(length);
  const bool direct = std::has_single_bit(n);
  const std::uint64_t m = std::bit_ceil(direct ? n : 2 * n - 1);
  for (std::uint64_t k = 0; k < m / 2; ++k) roots_.push_back(root(k, m));
  const int bits = std::countr_zero(m);
  for (std::uint32_t i = 0; i < m; ++i) {
    std::uint32_t reversed = 0;
    for (int bit = 0; bit < bits; ++bit) reversed |= ((i >> bit) & 1U) << (bits - 1 - bit);
    order_.push_back(reversed);
  }
  work_.resize(m);
  if (direct) return;
  for (std::uint64_t k = 0; k < n; ++k) chirp_.push_back(root(k * k, 2 * n));
  for (std::uint64_t k = 0; k < n; ++k) {
    work_[k] = work_[(m - k) % m] = std::conj(chirp_[k]) / static_cast<double>(m);
  }
  radix2(false);
  kernel_ = work_;
  work_.assign(m, {});
}

// Without the division by m of the inverse.
void RealSpectrum::radix2(bool inverse) {
  const std::size_t m = work_.size();
  for (std::size_t i = 0; i < m; ++i) {
    if (i < order_[i]) std::swap(work_[i], work_[order_[i]]);
  }
  for (std::size_t half = 1; half < m; half *= 2) {
    const std::size_t step = m / (2 * half);
    for (std::size_t begin = 0; begin < m; begin += 2 * half) {
      for (std::size_t k = 0; k < half; ++k) {
        const Complex w = inverse ? std::conj(roots_[k * step]) : roots_[k * step];
        const Complex odd = times(work_[begin + half + k], w);
        work_[begin + half + k] = work_[begin + k] - odd;
        work_[begin + k] += odd;
      }
    }
  }
}

// jk = (j² + k² − (k−j)²)/2 turns the transform into a convolution with the conjugate chirp.
void RealSpectrum::convolve_chirps(std::span<const float> row) {
  std::fill(work_.begin(), work_.end(), Complex{});
  for (std::size_t j = 0; j < row.size(); ++j) work_[j] = static_cast<double>(row[j]) * chirp_[j];
  radix2(false);
  for (std::size_t k = 0; k < work_.size(); ++k) work_[k] = times(work_[k], kernel_[k]);
  radix2(true);
  for (std::size_t k = 0; k < row.size(); ++k) work_[k] = times(work_[k], chirp_[k]);
}

void RealSpectrum::run(std::span<const float> row, std::span<std::complex<double>> out) {
  if (std::ssize(row) != length_ || std::ssize(out) != bins()) {
    throw ShapeError("spectrum", "expected {} numbers and {} bins, got {} and {}", length_, bins(),
                     row.size(), out.size());
  }
  double sum = 0.0;
  for (const float x : row) sum += std::abs(static_cast<double>(x));
  if (chirp_.empty()) {
    for (std::size_t j = 0; j < row.size(); ++j) work_[j] = static_cast<double>(row[j]);
    radix2(false);
  } else {
    convolve_chirps(row);
  }
  const double noise =
      kRounding * sum * std::sqrt(std::log2(static_cast<double>(work_.size()) + 1));
  for (std::size_t k = 0; k < out.size(); ++k) {
    out[k] = std::abs(work_[k]) <= noise ? Complex{} : work_[k];
  }
  out[0] = {out[0].real(), 0.0};
  if (length_ % 2 == 0) out.back() = {out.back().real(), 0.0};
}

}  // namespace conopa::eval
