#pragma once

#include <cstdint>
#include <vector>

#include "conopa/arch/encoder_spec.h"

namespace conopa::arch {

/// Cosines and sines of a model's rotary positions.
struct RotaryTable {
  std::int64_t tokens = 0;  ///< N, class token included
  std::int64_t half = 0;    ///< Dh / 2 angles per token
  std::vector<float> cos;   ///< [N, Dh/2]
  std::vector<float> sin;   ///< [N, Dh/2]
};

/// Computes the table of a resolved spec; empty (tokens = 0) if the spec has no rotation.
///
/// Position p is the index in the sequence, frequency f_j = theta^(-2j/Dh), angle p·f_j rotates the
/// adjacent channels (2j, 2j+1). Angles are rounded to float32 as the released models do.
/// @source iLLaMA (arXiv 2404.06773), section 3.4.
[[nodiscard]] RotaryTable rotary_table(const EncoderSpec& spec);

}  // namespace conopa::arch
