#pragma once

#include <cstdint>
#include <span>

namespace conopa::arch {

/// The fixed random order of the official training code; empty for grids that it has none for.
/// @source apple/ml-l3m, visiting patterns of 14x14 and 16x16 patches.
[[nodiscard]] std::span<const std::uint8_t> official_fixed_order(std::int64_t rows,
                                                                 std::int64_t cols) noexcept;

}  // namespace conopa::arch
