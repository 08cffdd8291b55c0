#pragma once

// Included by files that are compiled for one instruction set: only plain data, so that no inline
// function of a library is compiled for it and then used everywhere.

#include <cstdint>

namespace conopa::image {

/// Fractional bits of a weight: 32 less 8 of a sample less 2 of headroom for overshoot.
inline constexpr int kWeightBits = 22;
/// Weights are split into high and low halves of 16 bits for multiply-add instructions.
inline constexpr int kSplitBits = 11;
/// Bytes that a kernel may read behind the last used tap of a source row.
inline constexpr std::int64_t kRowSlack = 64;
/// Rows that a horizontal kernel takes at once.
inline constexpr std::int64_t kRowsAtOnce = 4;

/// Plain view of a ResampleAxis.
struct AxisTable {
  std::int64_t size;           ///< output samples
  std::int64_t taps;           ///< weights stored per output
  const std::int32_t* first;   ///< first input sample, per output
  const std::int32_t* count;   ///< used taps, per output
  const std::int32_t* weight;  ///< [output, taps]
  const std::int16_t* split;   ///< per group of taps first all high halves, then all low ones
};

/// The two inner loops of resize(); all implementations give the same bytes.
struct ResampleKernels {
  /// Scales kRowsAtOnce rows; `sources` are readable kRowSlack bytes behind their last tap.
  void (*horizontal)(const AxisTable& axis, std::int64_t channels,
                     const std::uint8_t* const* sources, std::uint8_t* const* targets);
  /// target[i] = weighted sum of sources[k][i] over `taps` rows of `bytes` bytes; taps is even.
  void (*vertical)(const std::int32_t* weights, std::int64_t taps,
                   const std::uint8_t* const* sources, std::int64_t bytes, std::uint8_t* target);
};

/// Plain loops.
const ResampleKernels& portable_resample_kernels() noexcept;
/// Null where the build or the processor lacks AVX2.
const ResampleKernels* avx2_resample_kernels() noexcept;
/// The best of the above.
const ResampleKernels& resample_kernels() noexcept;

}  // namespace conopa::image
