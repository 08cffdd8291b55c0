#pragma once

#include <cstdint>
#include <vector>

#include "conopa/image/resize.h"
#include "image/resample_kernels.h"

namespace conopa::image {

/// Which input samples make up each output sample of one axis, and with what weight; the fields
/// are those of AxisTable.
struct ResampleAxis {
  std::int64_t taps = 0;
  std::vector<std::int32_t> first;
  std::vector<std::int32_t> count;
  std::vector<std::int32_t> weight;
  std::vector<std::int16_t> split;

  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(first.size()); }
  [[nodiscard]] AxisTable table() const {
    return {size(), taps, first.data(), count.data(), weight.data(), split.data()};
  }
};

/// @param low, high  the part of the input that is scaled, in samples.
/// @param tap_group  taps that the kernel handles at once; the storage is padded to it.
[[nodiscard]] ResampleAxis make_resample_axis(std::int64_t in_size, float low, float high,
                                              std::int64_t out_size, Filter filter,
                                              std::int64_t tap_group);

/// Taps that the horizontal kernel takes at once.
constexpr std::int64_t horizontal_group(std::int64_t channels) { return channels == 1 ? 16 : 4; }

}  // namespace conopa::image
