#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "conopa/arch/encoder_spec.h"

namespace conopa::arch {

/// Where tokens stand, one entry per token. One-dimensional rotation reads x alone.
struct Coordinates {
  std::vector<double> x;  ///< column, or index in the sequence
  std::vector<double> y;  ///< row
};

/// Rotary frequencies of one attention layer.
struct RotaryLadder {
  Rotary kind = Rotary::kPlane;
  double theta = 10000.0;
  std::int64_t head_dim = 64;
  std::int64_t rotated = 64;  ///< channels of a head that are rotated, from its first on
  std::int64_t heads = 1;     ///< above 1: one ladder over all heads, each takes its slice
};

/// Cosines and sines of rotary positions. Pairs beyond the rotated ones have angle 0.
struct RotaryTable {
  std::int64_t tokens = 0;  ///< N
  std::int64_t half = 0;    ///< Dh / 2 angles per token
  std::int64_t heads = 1;   ///< tables one after the other; 1: shared by all heads
  std::vector<float> cos;   ///< [heads, N, Dh/2]
  std::vector<float> sin;   ///< [heads, N, Dh/2]
};

/// Table of tokens at the given coordinates.
///
/// Angle p rotates the adjacent channels (2p, 2p+1). With d = rotated·heads ladder channels, kLine
/// has d/2 frequencies f_k = theta^(−2k/d) and angles x·f_k; kPlane has d/4 frequencies f_k =
/// theta^(−4k/d) and angles x·f_0, y·f_0, x·f_1, y·f_1, ... Angles are rounded to float32 as the
/// released models do.
/// @source iLLaMA (arXiv 2404.06773), section 3.4; VisionLLaMA (arXiv 2403.00522), section 3.
[[nodiscard]] RotaryTable rotary_table(const RotaryLadder& ladder, const Coordinates& at);

/// Channels of a head that a spec rotates: int(rope_ratio·head_dim).
[[nodiscard]] std::int64_t rotated_channels(const EncoderSpec& spec, std::int64_t head_dim);

/// Base of NTK-aware one-dimensional rotation for sequences `scale` times the trained length:
/// theta·(factor·scale − (factor − 1))^(d/(d−2)).
[[nodiscard]] double ntk_theta(double theta, double factor, double scale, std::int64_t head_dim);

/// Coordinates of a plain encoder's tokens in the order of its sequence, class token included.
[[nodiscard]] Coordinates token_coordinates(const EncoderSpec& spec);

/// Coordinates of a stage's tokens as queries of global attention (and as keys without
/// sub-sampling), row by row, scaled by the spec's rule.
[[nodiscard]] Coordinates query_coordinates(const EncoderSpec& spec, const Stage& stage);

/// Coordinates of a stage's sub-sampled keys, row by row, scaled by the spec's rule.
[[nodiscard]] Coordinates key_coordinates(const EncoderSpec& spec, const Stage& stage);

/// Coordinates inside a window that holds `rows`×`cols` tokens of a side of stage.window; never
/// scaled to the image.
[[nodiscard]] Coordinates window_coordinates(const EncoderSpec& spec, const Stage& stage,
                                             std::int64_t rows, std::int64_t cols);

/// Which tokens a rotary table is for.
enum class RotaryRole { kTokens, kQueries, kKeys, kWindow };

/// Ladder of a stage's attention layers in one role.
[[nodiscard]] RotaryLadder rotary_ladder(const EncoderSpec& spec, const Stage& stage,
                                         RotaryRole role);

/// The coordinate rule in one line ("plane, theta 10000, anchor 224 px, grid true, ...").
[[nodiscard]] std::string rotary_rule(const EncoderSpec& spec);

/// Whether weights trained under one rule serve under the other. The class token's place counts
/// only if both models have one.
[[nodiscard]] bool rotary_rules_agree(const EncoderSpec& a, const EncoderSpec& b);

}  // namespace conopa::arch
