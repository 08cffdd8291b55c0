#pragma once

#include <cstdint>
#include <span>

namespace conopa::kernels {

enum class NormKind {
  kRms,   ///< x * rsqrt(mean(x^2) + eps) * weight
  kLayer  ///< (x - mean) * rsqrt(var + eps) * weight + bias, biased variance
};

struct NormShape {
  NormKind kind = NormKind::kRms;
  std::int64_t rows = 0;
  std::int64_t width = 0;
  float eps = 1e-6F;
};

/// A branch to add before the norm: h = x + sample_scale[row / rows_per_sample] * branch.
/// The scale is the drop-path factor of a sample (0 or 1/keep).
struct Residual {
  std::span<const float> branch{};        ///< [rows, D]; empty for none
  std::span<const float> sample_scale{};  ///< [rows / rows_per_sample]; empty means 1
  std::int64_t rows_per_sample = 1;
};

/// Buffers of norm_forward. Empty spans mark what is not wanted.
struct NormForward {
  std::span<const float> x{};       ///< [rows, D]
  Residual residual{};              ///< optional
  std::span<const float> weight{};  ///< [D]; empty means 1
  std::span<const float> bias{};    ///< [D], kLayer only; empty means 0
  std::span<float> sum{};           ///< [rows, D] h; required with a residual, may be x itself
  std::span<float> y{};             ///< [rows, D]
  std::span<float> mean{};          ///< [rows], kLayer; optional, backward needs it
  std::span<float> inv_std{};       ///< [rows] rsqrt(... + eps); optional, backward needs it
};

/// Normalises each row, optionally after adding a residual branch.
///
/// @throws ShapeError if a buffer does not fit.
/// @complexity O(rows*D), no allocation. Thread-safe.
void norm_forward(const NormShape& shape, const NormForward& args);

/// Buffers of norm_backward. Empty spans mark what is not wanted.
struct NormBackward {
  std::span<const float> x{};  ///< [rows, D] what was normalised (`sum` if there was a residual)
  std::span<const float> weight{};   ///< [D]; empty means 1
  std::span<const float> mean{};     ///< [rows], kLayer
  std::span<const float> inv_std{};  ///< [rows]
  std::span<const float> dy{};       ///< [rows, D]
  std::span<const float> dsum{};  ///< [rows, D] gradient reaching h past the norm; may be dx itself
  std::span<float> dx{};          ///< [rows, D] norm's gradient + dsum
  Residual residual{};            ///< only sample_scale and rows_per_sample are read
  std::span<float> dbranch{};     ///< [rows, D] dx * sample_scale
  std::span<float> dweight{};     ///< [D], overwritten
  std::span<float> dbias{};       ///< [D], overwritten
};

/// Gradients of norm_forward. The column sums do not depend on the thread count.
///
/// @throws ShapeError if a buffer does not fit.
/// @complexity O(rows*D), scratch O(D * min(64, rows/32)). Thread-safe.
void norm_backward(const NormShape& shape, const NormBackward& args);

}  // namespace conopa::kernels
