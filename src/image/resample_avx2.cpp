// AVX2 loops of resize(). Samples are 8 bits and weights 23, so a weight w is split into
// w = high * 2^11 + low and both halves go through the 16-bit multiply-add, which takes two taps
// per lane; sums are exact modulo 2^32, and the true sum fits 32 bits. This does the work of a
// 32-bit multiply (two slow operations for one tap) in one operation per tap.

#include <immintrin.h>

#include <cstring>

#include "image/resample_kernels.h"

namespace conopa::image {
namespace {

constexpr std::int32_t kHalf = 1 << (kWeightBits - 1);

__m128i load_16_bytes(const void* from) {
  return _mm_loadu_si128(static_cast<const __m128i*>(from));
}
__m256i load_32_bytes(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}

/// Four sums to four samples in the low 32 bits.
std::uint32_t to_samples(__m128i sums) {
  const __m128i shifted = _mm_srai_epi32(_mm_add_epi32(sums, _mm_set1_epi32(kHalf)), kWeightBits);
  const __m128i words = _mm_packs_epi32(shifted, shifted);
  return static_cast<std::uint32_t>(_mm_cvtsi128_si32(_mm_packus_epi16(words, words)));
}

/// For each 128-bit half, two neighbouring pixels of C channels as 16-bit pairs per channel.
template <std::int64_t kChannels>
__m256i pair_shuffle() {
  constexpr char z = -1;
  if constexpr (kChannels == 3) {
    return _mm256_setr_epi8(0, z, 3, z, 1, z, 4, z, 2, z, 5, z, z, z, z, z,  //
                            6, z, 9, z, 7, z, 10, z, 8, z, 11, z, z, z, z, z);
  } else {
    return _mm256_setr_epi8(0, z, 4, z, 1, z, 5, z, 2, z, 6, z, 3, z, 7, z,  //
                            8, z, 12, z, 9, z, 13, z, 10, z, 14, z, 11, z, 15, z);
  }
}

/// Sums of the high and low halves, which stay in registers.
struct Sums {
  __m256i high = _mm256_setzero_si256();
  __m256i low = _mm256_setzero_si256();

  void add(__m256i taps, __m256i weight_high, __m256i weight_low) {
    high = _mm256_add_epi32(high, _mm256_madd_epi16(taps, weight_high));
    low = _mm256_add_epi32(low, _mm256_madd_epi16(taps, weight_low));
  }
  [[nodiscard]] __m256i total() const {
    return _mm256_add_epi32(_mm256_slli_epi32(high, kSplitBits), low);
  }
};

/// One output pixel of four rows; kStored bytes are written for it.
template <std::int64_t kChannels, std::size_t kStored>
void scale_colour_pixel(const AxisTable& axis, std::int64_t x, const std::uint8_t* const* sources,
                        std::uint8_t* const* targets) {
  const __m256i pairs = pair_shuffle<kChannels>();
  const __m256i spread_high = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
  const __m256i spread_low = _mm256_setr_epi32(2, 2, 2, 2, 3, 3, 3, 3);
  const std::int16_t* split = axis.split + x * axis.taps * 2;
  const std::int64_t begin = axis.first[x] * kChannels;
  const std::int64_t count = axis.count[x];
  Sums sums0, sums1, sums2, sums3;
  for (std::int64_t k = 0; k < count; k += 4) {
    const __m256i weights = _mm256_castsi128_si256(load_16_bytes(split + k * 2));
    const __m256i weight_high = _mm256_permutevar8x32_epi32(weights, spread_high);
    const __m256i weight_low = _mm256_permutevar8x32_epi32(weights, spread_low);
    const auto add = [&](Sums& sums, const std::uint8_t* source) {
      const __m128i bytes = load_16_bytes(source + begin + k * kChannels);
      const __m256i taps = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(bytes), pairs);
      sums.add(taps, weight_high, weight_low);
    };
    add(sums0, sources[0]);
    add(sums1, sources[1]);
    add(sums2, sources[2]);
    add(sums3, sources[3]);
  }
  const auto store = [&](const Sums& sums, std::uint8_t* target) {
    const __m256i total = sums.total();
    const std::uint32_t samples = to_samples(
        _mm_add_epi32(_mm256_castsi256_si128(total), _mm256_extracti128_si256(total, 1)));
    std::memcpy(target + x * kChannels, &samples, kStored);
  };
  store(sums0, targets[0]);
  store(sums1, targets[1]);
  store(sums2, targets[2]);
  store(sums3, targets[3]);
}

template <std::int64_t kChannels>
void scale_colour_rows(const AxisTable& axis, const std::uint8_t* const* sources,
                       std::uint8_t* const* targets) {
  // Four bytes are stored at once: the fourth of three is overwritten by the next pixel.
  for (std::int64_t x = 0; x + 1 < axis.size; ++x) {
    scale_colour_pixel<kChannels, 4>(axis, x, sources, targets);
  }
  scale_colour_pixel<kChannels, kChannels>(axis, axis.size - 1, sources, targets);
}

/// The eight sums of `lanes` added up.
std::int32_t add_lanes(__m256i lanes) {
  __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4E));
  return _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xB1)));
}

void scale_gray_rows(const AxisTable& axis, const std::uint8_t* const* sources,
                     std::uint8_t* const* targets) {
  for (std::int64_t x = 0; x < axis.size; ++x) {
    const std::int16_t* split = axis.split + x * axis.taps * 2;
    const std::int64_t begin = axis.first[x];
    const std::int64_t count = axis.count[x];
    Sums sums0, sums1, sums2, sums3;
    for (std::int64_t k = 0; k < count; k += 16) {
      const __m256i weight_high = load_32_bytes(split + k * 2);
      const __m256i weight_low = load_32_bytes(split + k * 2 + 16);
      const auto add = [&](Sums& sums, const std::uint8_t* source) {
        sums.add(_mm256_cvtepu8_epi16(load_16_bytes(source + begin + k)), weight_high, weight_low);
      };
      add(sums0, sources[0]);
      add(sums1, sources[1]);
      add(sums2, sources[2]);
      add(sums3, sources[3]);
    }
    const auto store = [&](const Sums& sums, std::uint8_t* target) {
      const __m128i sum = _mm_cvtsi32_si128(add_lanes(sums.total()));
      target[x] = static_cast<std::uint8_t>(to_samples(sum));
    };
    store(sums0, targets[0]);
    store(sums1, targets[1]);
    store(sums2, targets[2]);
    store(sums3, targets[3]);
  }
}

void horizontal(const AxisTable& axis, std::int64_t channels, const std::uint8_t* const* sources,
                std::uint8_t* const* targets) {
  if (channels == 1) return scale_gray_rows(axis, sources, targets);
  if (channels == 3) return scale_colour_rows<3>(axis, sources, targets);
  scale_colour_rows<4>(axis, sources, targets);
}

/// Eight sums to samples of 32 bits.
__m256i finish(const Sums& sums) {
  const __m256i total = _mm256_add_epi32(sums.total(), _mm256_set1_epi32(kHalf));
  return _mm256_srai_epi32(total, kWeightBits);
}

/// 32 neighbouring samples of the vertical pass. Unpacking and packing both work within 128-bit
/// halves, so the order of the samples comes out right.
void scale_block(const std::int32_t* weights, std::int64_t taps, const std::uint8_t* const* sources,
                 std::int64_t offset, std::uint8_t* target) {
  const __m256i zero = _mm256_setzero_si256();
  Sums sums0, sums1, sums2, sums3;
  for (std::int64_t k = 0; k < taps; k += 2) {
    const auto pair = [](std::int32_t even, std::int32_t odd) {
      return _mm256_set1_epi32((odd << 16) | (even & 0xFFFF));
    };
    constexpr std::int32_t kLowMask = (1 << kSplitBits) - 1;
    const __m256i high = pair(weights[k] >> kSplitBits, weights[k + 1] >> kSplitBits);
    const __m256i low = pair(weights[k] & kLowMask, weights[k + 1] & kLowMask);
    const __m256i even = load_32_bytes(sources[k] + offset);
    const __m256i odd = load_32_bytes(sources[k + 1] + offset);
    const __m256i first = _mm256_unpacklo_epi8(even, odd);
    const __m256i second = _mm256_unpackhi_epi8(even, odd);
    sums0.add(_mm256_unpacklo_epi8(first, zero), high, low);
    sums1.add(_mm256_unpackhi_epi8(first, zero), high, low);
    sums2.add(_mm256_unpacklo_epi8(second, zero), high, low);
    sums3.add(_mm256_unpackhi_epi8(second, zero), high, low);
  }
  const __m256i lower = _mm256_packs_epi32(finish(sums0), finish(sums1));
  const __m256i upper = _mm256_packs_epi32(finish(sums2), finish(sums3));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(target + offset),
                      _mm256_packus_epi16(lower, upper));
}

void vertical(const std::int32_t* weights, std::int64_t taps, const std::uint8_t* const* sources,
              std::int64_t bytes, std::uint8_t* target) {
  constexpr std::int64_t kBlock = 32;
  if (bytes < kBlock) {
    portable_resample_kernels().vertical(weights, taps, sources, bytes, target);
    return;
  }
  std::int64_t offset = 0;
  for (; offset + kBlock <= bytes; offset += kBlock) {
    scale_block(weights, taps, sources, offset, target);
  }
  // The rest is done as a whole block that overlaps the one before.
  if (offset < bytes) scale_block(weights, taps, sources, bytes - kBlock, target);
}

}  // namespace

const ResampleKernels* avx2_resample_kernels() noexcept {
  static constexpr ResampleKernels kKernels{horizontal, vertical};
  return __builtin_cpu_supports("avx2") ? &kKernels : nullptr;
}

}  // namespace conopa::image
