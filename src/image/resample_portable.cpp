#include <algorithm>

#include "image/resample_kernels.h"

namespace conopa::image {
namespace {

constexpr std::int32_t kHalf = 1 << (kWeightBits - 1);

std::uint8_t to_sample(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> kWeightBits, 0, 255));
}

template <std::int64_t kChannels>
void scale_row(const AxisTable& axis, const std::uint8_t* source, std::uint8_t* target) {
  for (std::int64_t x = 0; x < axis.size; ++x) {
    const std::int32_t* weights = axis.weight + x * axis.taps;
    const std::uint8_t* from = source + axis.first[x] * kChannels;
    std::int32_t sums[kChannels];
    std::fill_n(sums, kChannels, kHalf);
    for (std::int64_t k = 0; k < axis.count[x]; ++k) {
      for (std::int64_t c = 0; c < kChannels; ++c) sums[c] += from[k * kChannels + c] * weights[k];
    }
    for (std::int64_t c = 0; c < kChannels; ++c) target[x * kChannels + c] = to_sample(sums[c]);
  }
}

void horizontal(const AxisTable& axis, std::int64_t channels, const std::uint8_t* const* sources,
                std::uint8_t* const* targets) {
  const auto scale = channels == 1 ? scale_row<1> : channels == 3 ? scale_row<3> : scale_row<4>;
  for (std::int64_t r = 0; r < kRowsAtOnce; ++r) scale(axis, sources[r], targets[r]);
}

void vertical(const std::int32_t* weights, std::int64_t taps, const std::uint8_t* const* sources,
              std::int64_t bytes, std::uint8_t* target) {
  constexpr std::int64_t kBlock = 256;  // the sums of a block stay in the first-level cache
  std::int32_t sums[kBlock];
  for (std::int64_t begin = 0; begin < bytes; begin += kBlock) {
    const std::int64_t count = std::min(kBlock, bytes - begin);
    std::fill_n(sums, count, kHalf);
    for (std::int64_t k = 0; k < taps; ++k) {
      const std::uint8_t* source = sources[k] + begin;
      for (std::int64_t i = 0; i < count; ++i) sums[i] += source[i] * weights[k];
    }
    for (std::int64_t i = 0; i < count; ++i) target[begin + i] = to_sample(sums[i]);
  }
}

}  // namespace

const ResampleKernels& portable_resample_kernels() noexcept {
  static constexpr ResampleKernels kKernels{horizontal, vertical};
  return kKernels;
}

const ResampleKernels& resample_kernels() noexcept {
  static const ResampleKernels* const best = avx2_resample_kernels();
  return best != nullptr ? *best : portable_resample_kernels();
}

#if !defined(CONOPA_IMAGE_AVX2)
const ResampleKernels* avx2_resample_kernels() noexcept { return nullptr; }
#endif

}  // namespace conopa::image
