#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "conopa/core/fields.h"

namespace conopa::eval {

/// Features of the visual tokens of an image, class token removed.
struct TokenGrid {
  std::span<const float> tokens{};  ///< [rows·cols, width] row-major, finite
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t width = 0;  ///< C

  /// @throws ShapeError if the sizes do not fit; FormatError if a value is not finite.
  void validate() const;
};

/// What a token is compared with.
enum class MeanOver : std::uint8_t {
  kAll,    ///< the mean over all tokens
  kColumn  ///< the mean over the tokens of its column, the paper's pseudo-code read literally
};

/// Values brought to [0, 1]: (x − min) / (max − min); all zeros if they are equal.
[[nodiscard]] std::vector<double> min_max_scaled(std::span<const double> values);

/// Magnitude activation: the distance of each token from the mean token, min-max scaled over the
/// image.
/// @return  [rows·cols].
/// @throws as TokenGrid::validate.
/// @source LM4V (arXiv 2310.12973), appendix A.5 and figure E.
[[nodiscard]] std::vector<double> magnitude_activation(const TokenGrid& grid,
                                                       MeanOver mean = MeanOver::kAll);

/// Frequency activation: the same of the phases of the tokens. Differences of phases are not
/// wrapped, as in the paper: two phases on either side of ±π are far apart.
/// @return  [rows·cols].
/// @throws as TokenGrid::validate.
/// @complexity O(tokens·C·log C), parallel over tokens; the result does not depend on the threads.
/// @source as magnitude_activation.
[[nodiscard]] std::vector<double> frequency_activation(const TokenGrid& grid,
                                                       MeanOver mean = MeanOver::kAll);

/// Angles of the Fourier transform over the channels of each token, in [−π, π]. Bins 0 and, of even
/// C, C/2 are 0 or +π; a bin that vanishes has the angle 0.
/// @return  [rows·cols, C].
/// @throws as TokenGrid::validate.
[[nodiscard]] std::vector<double> channel_phases(const TokenGrid& grid);

/// Attention activation: the class token's scores of the visual tokens summed over heads, min-max
/// scaled.
/// @param scores  [heads, tokens] after softmax, finite.
/// @return        [tokens].
/// @throws ShapeError if the scores are no whole number of heads; FormatError if one is not finite.
[[nodiscard]] std::vector<double> attention_activation(std::span<const float> scores,
                                                       std::int64_t tokens);

}  // namespace conopa::eval

template <>
struct conopa::EnumNames<conopa::eval::MeanOver> {
  static constexpr std::array<std::string_view, 2> kNames = {"all", "column"};
};
