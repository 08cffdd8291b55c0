#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "conopa/arch/encoder_spec.h"
#include "conopa/arch/rotary.h"
#include "conopa/arch/windows.h"
#include "conopa/kernels/linear.h"

namespace conopa::engine {

/// What the attention layers of one stage need to know about its map.
struct StageTables {
  arch::Stage stage;
  std::int64_t tokens = 0;   ///< N of a sequence, class token included
  arch::RotaryTable whole;   ///< of the sequence; queries of global attention; empty: no rotation
  arch::RotaryTable keys;    ///< of sub-sampled keys
  arch::RotaryTable window;  ///< of every token by its place in its window, then of the pads
  arch::Windows windows;
  std::int64_t pads = 0;  ///< tokens of attended window padding
  /// Positions added to the embedded tokens, [tokens, D] rows padded to cache lines; empty: none.
  std::vector<float> position;
  std::vector<float> decoder_position;  ///< the same of a next-patch decoder, [tokens, W]

  /// Rows of every window of one group for `batch` images: token t of image b is row b*tokens + t,
  /// pad p is row pad_base + b*pads + p.
  [[nodiscard]] std::vector<std::int32_t> window_rows(const arch::WindowGroup& group,
                                                      std::int64_t batch,
                                                      std::int64_t pad_base) const;
};

/// Computed positions are among them; those that are tensors of the model are not.
[[nodiscard]] StageTables make_stage_tables(const arch::EncoderSpec& spec,
                                            const arch::Stage& stage);

/// Rows of `width` values with gaps to whole cache lines.
[[nodiscard]] std::vector<float> padded_rows(std::span<const float> rows, std::int64_t width);

/// The rotation of a linear layer's output: `sections` times all heads (queries, keys).
/// @param first   row of the table that the first token takes.
/// @param tokens  rows from there on.
[[nodiscard]] kernels::LinearRope rope_of(const arch::RotaryTable& table, std::int64_t heads,
                                          std::int64_t sections, std::int64_t first,
                                          std::int64_t tokens);

[[nodiscard]] std::int64_t size_of(const StageTables& tables);

}  // namespace conopa::engine
