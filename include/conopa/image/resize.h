#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "conopa/core/fields.h"
#include "conopa/image/image.h"

namespace conopa::image {

/// Resampling filters, named and defined as in PIL.
enum class Filter : std::uint8_t { kNearest, kBox, kBilinear, kHamming, kBicubic, kLanczos };

/// A part of an image in pixels from its top left corner; edges may fall between pixels.
struct Box {
  float left = 0;
  float top = 0;
  float right = 0;
  float bottom = 0;
};

/// Resizes with PIL's result, byte for byte.
///
/// Two passes, rows first, with 8-bit samples in between and weights of 22 fractional bits; the
/// filter widens with the scale when shrinking (antialiasing); bicubic has a = -0.5. Images with
/// alpha are weighted by it, except for kNearest.
///
/// @param box  the part to scale, the whole image if absent.
/// @throws ShapeError if the target has no pixels or more than 2^31, or the box is empty or not
///         inside the image.
/// @complexity O(taps × (out_width × in_height + out_width × out_height)) with taps growing with
///             the shrinking factor; vectorised for x86-64 with AVX2. Thread-safe.
/// @source Pillow 9.4, `Image.resize`.
[[nodiscard]] Image resize(const ImageView& image, std::int64_t width, std::int64_t height,
                           Filter filter, const std::optional<Box>& box = std::nullopt);

/// Sides in pixels.
struct Size {
  std::int64_t width = 0;
  std::int64_t height = 0;
  friend bool operator==(const Size&, const Size&) = default;
};
/// Size after scaling the shorter side to `short_side`, the longer one rounded down (torchvision
/// Resize).
[[nodiscard]] Size size_for_short_side(Size size, std::int64_t short_side);
/// The smallest scaled size that covers `target`; for a square target that of the shorter side.
[[nodiscard]] Size size_to_cover(Size size, Size target);

/// The square centre crop used to train diffusion transformers: halves with the box filter while
/// the short side is at least twice `side`, scales it to `side` with bicubic, cuts the centre.
/// @source ADM (guided diffusion) preprocessing, as used by DiT and SiT.
[[nodiscard]] Image center_crop_by_halving(const ImageView& image, std::int64_t side);

}  // namespace conopa::image

template <>
struct conopa::EnumNames<conopa::image::Filter> {
  static constexpr std::array<std::string_view, 6> kNames = {"nearest", "box",     "bilinear",
                                                             "hamming", "bicubic", "lanczos"};
};
