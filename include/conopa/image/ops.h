#pragma once

#include <cstdint>

#include "conopa/image/image.h"

namespace conopa::image {

// Operations on the samples of gray or RGB images, with the integer and single-precision rounding
// of PIL 9.4 (ImageOps, ImageEnhance, ImageFilter). All take the image by value: move it in to
// work in place. Images with alpha are refused with a ShapeError. All are thread-safe.

/// 255 - v.
[[nodiscard]] Image invert(Image image);
/// Stretches each channel so that its extremes become 0 and 255.
[[nodiscard]] Image autocontrast(Image image);
/// Levels the histogram of each channel.
[[nodiscard]] Image equalize(Image image);
/// Keeps the `bits` highest bits, 0 to 8.
[[nodiscard]] Image posterize(Image image, int bits);
/// Inverts the samples that are at least `threshold`.
[[nodiscard]] Image solarize(Image image, int threshold = 128);
/// Adds `addend` to the samples below `threshold`, at most up to 255.
[[nodiscard]] Image solarize_add(Image image, int addend, int threshold = 128);

/// Luma in every channel; the number of channels stays.
[[nodiscard]] Image grayscale(Image image);

// The next four go from a degenerate image (factor 0) over the image itself (1) to exaggeration.

/// Degenerate: black.
[[nodiscard]] Image adjust_brightness(Image image, double factor);
/// Degenerate: the mean luma.
[[nodiscard]] Image adjust_contrast(Image image, double factor);
/// Degenerate: the gray image.
[[nodiscard]] Image adjust_color(Image image, double factor);
/// Degenerate: smoothed with a 3x3 kernel (1 around 5), edges unchanged.
[[nodiscard]] Image adjust_sharpness(Image image, double factor);

/// Turns the hue by `shift` of a full turn, -0.5 to 0.5, in 8-bit HSV (torchvision adjust_hue).
/// Gray images do not change.
[[nodiscard]] Image adjust_hue(Image image, double shift);

/// Gaussian blur of standard deviation `radius` pixels as PIL approximates it: three box blurs
/// with fractional edges along the rows, three along the columns, edge pixels repeated.
/// @throws ConfigError if radius is negative or above 1000.
/// @source Gwosdek et al., "Theoretical foundations of Gaussian convolution by extended box
///         filtering", SSVM 2011.
[[nodiscard]] Image gaussian_blur(Image image, double radius);

}  // namespace conopa::image
