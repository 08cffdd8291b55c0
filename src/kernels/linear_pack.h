#pragma once

#include "kernels/linear_table.h"
#include "kernels/matmul_workspace.h"

namespace conopa::kernels::detail {

/// A weight as a fast kernel reads it, panel by panel:
///   words:  [panel][k word][column], zero (kU8: 128) beyond N and K;
///   blocks: [panel][block], each block fp16 scales [column] and then the quants: Q8_0
///           int8 [32][column], Q4_0 bytes [16][column] with element 2i in the lower half and
///           2i + 1 in the upper one.
/// Gated: the first half of a panel's columns are gates, the second half the ups of the same
/// outputs.
struct PackedPanels {
  WordBuffer data;
  WordBuffer column_scale;  ///< kI8: [panels][panel], 0 beyond N
  std::int64_t panels = 0;
  std::int64_t panel_words = 0;  ///< words from one panel of data to the next
  std::int64_t k_words = 0;      ///< words of a row of activations
  bool blocks = false;
  bool four_bit = false;
};

/// Bytes of a block of the panels of a block form.
[[nodiscard]] constexpr std::int64_t panel_block_bytes(bool four_bit, std::int64_t panel) noexcept {
  return panel * (2 + (four_bit ? 16 : 32));
}

/// Outputs of one panel.
[[nodiscard]] constexpr std::int64_t panel_outputs(const LinearKernel& kernel,
                                                   bool gated) noexcept {
  return gated ? kernel.panel / 2 : kernel.panel;
}

[[nodiscard]] PackedPanels pack_panels(const LinearKernel& kernel, const WeightPack& args);

}  // namespace conopa::kernels::detail
