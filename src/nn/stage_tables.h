#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <vector>

#include "conopa/arch/encoder_spec.h"
#include "conopa/arch/windows.h"
#include "conopa/nn/ops.h"

namespace conopa::nn {

/// Equal windows with the rotation of the tokens of one.
struct WindowGroup : arch::WindowGroup {
  Rotation rotation;
};

/// What the attention layers of one stage need to know about its map.
struct StageTables {
  arch::Stage stage;
  Rotation tokens = {};      ///< of the sequence, class token included; queries of global attention
  Rotation keys = {};        ///< of sub-sampled keys
  at::Tensor position = {};  ///< [1, N, D] if computed, not stored
  std::vector<WindowGroup> windows = {};  ///< of local blocks, see arch::stage_windows
  std::int64_t padded_rows = 0;           ///< of the map that the windows tile
  std::int64_t padded_cols = 0;
};

/// Sine-cosine positions of a stage's sequence [1, N, width] on the CPU; zeros for a class token.
[[nodiscard]] at::Tensor computed_position(const arch::EncoderSpec& spec, const arch::Stage& stage,
                                           std::int64_t width);

[[nodiscard]] StageTables make_stage_tables(const arch::EncoderSpec& spec, const arch::Stage& stage,
                                            at::Device device);

}  // namespace conopa::nn
