#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "conopa/core/fields.h"

namespace conopa::arch {

/// In which order an autoregressive model walks over the patches of an image.
///
/// kRaster: row by row; kColumn: column by column; the reverse ones backwards. kSpiral: from the
/// middle outwards to the first patch (an outside-in spiral that first goes down the first column,
/// reversed). kCheckerboard: patches with an even row + column row by row, then the odd ones.
/// kFixedRandom: one shuffled order for every image. kRandom: one per seed.
/// @source AIM (arXiv 2401.08541), section 5 (pre-training objective), table 3b; apple/ml-l3m.
enum class VisitOrder : std::uint8_t {
  kRaster,
  kReverseRaster,
  kColumn,
  kReverseColumn,
  kSpiral,
  kCheckerboard,
  kFixedRandom,
  kRandom
};

/// Most patches of an image that an order is made for.
inline constexpr std::int64_t kMaxVisitedPatches = std::int64_t{1} << 24;

/// Places in the sequence → patches: entry k is the row-major number of the patch that is visited
/// k-th, a permutation of 0..rows·cols−1.
///
/// kFixedRandom is the official table for 14x14 and 16x16 patches; any other grid has a shuffled
/// order of its own, the same in every run.
/// @param seed  decides kRandom alone; the others do not read it.
/// @throws ConfigError unless rows and cols are at least 1 and make at most kMaxVisitedPatches.
/// @complexity O(rows·cols). Thread-safe.
[[nodiscard]] std::vector<std::int64_t> visit_order(VisitOrder order, std::int64_t rows,
                                                    std::int64_t cols, std::uint64_t seed = 0);

/// The way back: entry p is the place at which patch p is visited.
/// @param order  a permutation.
[[nodiscard]] std::vector<std::int64_t> visit_places(const std::vector<std::int64_t>& order);

}  // namespace conopa::arch

template <>
struct conopa::EnumNames<conopa::arch::VisitOrder> {
  static constexpr std::array<std::string_view, 8> kNames{
      "raster", "reverse_raster", "column",       "reverse_column",
      "spiral", "checkerboard",   "fixed_random", "random"};
};
