#pragma once

#include <cstdint>
#include <span>

#include "conopa/image/image.h"

namespace conopa::report {

/// A value in [0, 1] per token of an image; higher values are shown brighter.
struct ActivationMap {
  std::span<const double> values{};  ///< [rows·cols]
  std::int64_t rows = 0;
  std::int64_t cols = 0;
};

/// The picture in grays with the map laid over it in colour, from dark blue (0) over red to yellow
/// (1); lightness rises with the value. Tokens become rectangles.
/// @param opacity  of the colour, 0 to 1.
/// @return  RGB of the picture's size.
/// @throws ShapeError if the map does not fit its sizes or the picture is empty; ConfigError for
///         another opacity; FormatError if a value is outside [0, 1] or NaN.
[[nodiscard]] image::Image activation_overlay(const image::Image& picture, const ActivationMap& map,
                                              double opacity = 0.6);

/// Two masks of tokens, non-zero is the object.
struct MaskPair {
  std::span<const std::uint8_t> found{};  ///< [rows·cols], of the model
  std::span<const std::uint8_t> truth{};  ///< [rows·cols]
  std::int64_t rows = 0;
  std::int64_t cols = 0;
};

/// The picture in grays: tokens found and true are blue, found alone orange, true alone violet, the
/// rest stays gray (the colours of charts).
/// @return  RGB of the picture's size.
/// @throws ShapeError, ConfigError as activation_overlay.
[[nodiscard]] image::Image mask_overlay(const image::Image& picture, const MaskPair& masks,
                                        double opacity = 0.6);

}  // namespace conopa::report
