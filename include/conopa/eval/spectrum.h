#pragma once

#include <complex>
#include <cstdint>
#include <span>
#include <vector>

namespace conopa::eval {

/// Discrete Fourier transform of real rows of one length: X[k] = Σ x[j]·exp(−2πi·jk/n).
///
/// Radix 2 for powers of two, any other length as a convolution of chirps (Bluestein) by it; in
/// double, with roots of unity computed one by one. Immutable but for its buffer: one object serves
/// one thread.
/// @source Bluestein, "A linear filtering approach to the computation of discrete Fourier
///         transform", 1970.
class RealSpectrum {
 public:
  /// @param length  n, 1 to 2^24.
  /// @throws ShapeError for another length.
  explicit RealSpectrum(std::int64_t length);

  [[nodiscard]] std::int64_t length() const noexcept { return length_; }
  /// n/2 + 1: the bins that determine the others, X[n−k] being the conjugate of X[k].
  [[nodiscard]] std::int64_t bins() const noexcept { return length_ / 2 + 1; }

  /// Bins 0 to n/2. Bin 0 and, of even n, bin n/2 have the imaginary part +0, and a bin that is
  /// zero up to rounding (below 1e-14·Σ|x|·√log2(n)) is zero, so that its angle is no noise.
  /// @param row  [n].
  /// @param out  [bins()].
  /// @throws ShapeError if a span has another length.
  /// @complexity O(n·log n), no allocation.
  void run(std::span<const float> row, std::span<std::complex<double>> out);

 private:
  using Complex = std::complex<double>;

  void radix2(bool inverse);
  void convolve_chirps(std::span<const float> row);

  std::int64_t length_ = 0;
  std::vector<Complex> roots_;        // exp(−2πi·k/m), k < m/2, of the radix-2 length m
  std::vector<std::uint32_t> order_;  // bit-reversed places
  std::vector<Complex> chirp_;        // exp(−πi·k²/n), k < n; empty for powers of two
  std::vector<Complex> kernel_;       // transform of the conjugate chirp, divided by m
  std::vector<Complex> work_;         // [m]
};

}  // namespace conopa::eval
