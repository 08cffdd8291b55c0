#pragma once

#include <cstdint>
#include <vector>

#include "conopa/arch/encoder_spec.h"

namespace conopa::arch {

/// Equal windows that tile a rectangle of a stage's map.
struct WindowGroup {
  std::int64_t row = 0;  ///< top left corner of the rectangle, tokens
  std::int64_t col = 0;
  std::int64_t rows = 0;  ///< its size, multiples of the window's
  std::int64_t cols = 0;
  std::int64_t window_rows = 0;
  std::int64_t window_cols = 0;

  [[nodiscard]] std::int64_t window_tokens() const noexcept { return window_rows * window_cols; }
};

/// The windows of a stage's local blocks.
struct Windows {
  std::vector<WindowGroup> groups;  ///< in reading order; at most four, empty without windows
  std::int64_t padded_rows = 0;     ///< of the map that they tile
  std::int64_t padded_cols = 0;
};

/// Masked padding needs no padding at all: the windows at the right and bottom edges are smaller
/// ones, groups of their own. Attended padding fills the map up to whole windows.
[[nodiscard]] Windows stage_windows(const EncoderSpec& spec, const Stage& stage);

}  // namespace conopa::arch
