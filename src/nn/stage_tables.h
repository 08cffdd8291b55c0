#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <vector>

#include "conopa/arch/encoder_spec.h"
#include "conopa/nn/ops.h"

namespace conopa::nn {

/// Equal windows that tile a rectangle of a map.
struct WindowGroup {
  std::int64_t row = 0;  ///< top left corner of the rectangle, tokens
  std::int64_t col = 0;
  std::int64_t rows = 0;  ///< its size, multiples of the window's
  std::int64_t cols = 0;
  std::int64_t window_rows = 0;
  std::int64_t window_cols = 0;
  Rotation rotation;  ///< of the tokens of one window

  [[nodiscard]] std::int64_t window_tokens() const noexcept { return window_rows * window_cols; }
};

/// What the attention layers of one stage need to know about its map.
struct StageTables {
  arch::Stage stage;
  Rotation tokens = {};  ///< of the sequence, class token included; queries of global attention
  Rotation keys = {};    ///< of sub-sampled keys
  /// Windows of local blocks. Masked padding needs no padding at all: the windows at the right and
  /// bottom edges are smaller ones, groups of their own.
  std::vector<WindowGroup> windows = {};
  std::int64_t padded_rows = 0;  ///< of the map that the windows tile
  std::int64_t padded_cols = 0;
};

[[nodiscard]] StageTables make_stage_tables(const arch::EncoderSpec& spec, const arch::Stage& stage,
                                            at::Device device);

}  // namespace conopa::nn
