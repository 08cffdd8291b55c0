#pragma once

#include <array>
#include <cstdint>

#include "conopa/image/image.h"
#include "conopa/image/resize.h"

namespace conopa::image {

// Geometric operations with PIL's rounding. `filter` is kNearest, kBilinear or kBicubic (here with
// a = -1 and no antialiasing, as PIL's transforms); the size of the image stays. Throw ConfigError
// for another filter. All are thread-safe.

/// (a, b, c, d, e, f): the output pixel (x, y) shows the input at (ax + by + c, dx + ey + f).
using AffineMatrix = std::array<double, 6>;
/// Sample per channel for what lies outside the input.
using Fill = std::array<std::uint8_t, 4>;

/// Any affine map.
/// @throws ShapeError if the target has no pixels.
[[nodiscard]] Image affine(const ImageView& image, std::int64_t width, std::int64_t height,
                           const AffineMatrix& matrix, Filter filter, const Fill& fill);

/// Turns counter-clockwise around the centre.
[[nodiscard]] Image rotate(const ImageView& image, double degrees, Filter filter, const Fill& fill);
/// Shows (x + factor * y, y) at (x, y).
[[nodiscard]] Image shear_x(const ImageView& image, double factor, Filter filter, const Fill& fill);
/// Shows (x, y + factor * x) at (x, y).
[[nodiscard]] Image shear_y(const ImageView& image, double factor, Filter filter, const Fill& fill);
/// Shows (x + pixels, y) at (x, y): positive values move the content to the left.
[[nodiscard]] Image translate_x(const ImageView& image, double pixels, Filter filter,
                                const Fill& fill);
/// Shows (x, y + pixels) at (x, y): positive values move the content up.
[[nodiscard]] Image translate_y(const ImageView& image, double pixels, Filter filter,
                                const Fill& fill);

}  // namespace conopa::image
