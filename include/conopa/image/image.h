#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace conopa::image {

/// Read-only window onto interleaved 8-bit pixels (HWC); rows may be further apart than their
/// length, so that a crop costs nothing. Does not own: the pixels must outlive it.
struct ImageView {
  const std::uint8_t* data = nullptr;
  std::int64_t width = 0;
  std::int64_t height = 0;
  std::int64_t channels = 0;
  std::int64_t stride = 0;  ///< bytes from one row to the next

  ImageView() = default;
  /// Tightly packed pixels.
  /// @throws ShapeError if `pixels` does not hold exactly height × width × channels bytes.
  ImageView(std::span<const std::uint8_t> pixels, std::int64_t width, std::int64_t height,
            std::int64_t channels);

  [[nodiscard]] const std::uint8_t* row(std::int64_t y) const noexcept { return data + y * stride; }
  [[nodiscard]] std::int64_t row_bytes() const noexcept { return width * channels; }
  /// A window without copying.
  /// @throws ShapeError unless the window lies inside and is not empty.
  [[nodiscard]] ImageView window(std::int64_t left, std::int64_t top, std::int64_t window_width,
                                 std::int64_t window_height) const;
};

/// An image in memory: interleaved 8-bit pixels, rows packed, channels 1 (gray), 3 (RGB) or
/// 4 (RGB and straight alpha).
struct Image {
  std::int64_t width = 0;
  std::int64_t height = 0;
  std::int64_t channels = 0;
  std::vector<std::uint8_t> pixels;

  Image() = default;
  /// All samples zero.
  /// @throws ShapeError unless both sides are positive and channels is 1, 3 or 4.
  Image(std::int64_t width, std::int64_t height, std::int64_t channels);
  /// Copies a view.
  explicit Image(const ImageView& view);

  [[nodiscard]] std::uint8_t* row(std::int64_t y) noexcept {
    return pixels.data() + y * width * channels;
  }
  [[nodiscard]] const std::uint8_t* row(std::int64_t y) const noexcept {
    return pixels.data() + y * width * channels;
  }
  operator ImageView() const noexcept {  // NOLINT(google-explicit-constructor): reading only
    ImageView out;
    out.data = pixels.data();
    out.width = width;
    out.height = height;
    out.channels = channels;
    out.stride = width * channels;
    return out;
  }

  friend bool operator==(const Image&, const Image&) = default;
};

/// Gray is repeated, alpha is dropped without compositing (as PIL's convert('RGB')).
[[nodiscard]] Image to_rgb(const ImageView& image);
/// Luma by PIL's integer weights, (19595 R + 38470 G + 7471 B + 32768) >> 16; alpha is dropped.
[[nodiscard]] Image to_gray(const ImageView& image);
/// Converts to 1 or 3 channels with the two functions above.
/// @throws ShapeError for any other `channels`.
[[nodiscard]] Image to_channels(const ImageView& image, std::int64_t channels);

/// Copies a window.
/// @throws ShapeError unless it lies inside and is not empty.
[[nodiscard]] Image crop(const ImageView& image, std::int64_t left, std::int64_t top,
                         std::int64_t width, std::int64_t height);

/// How pad() fills the border; kReflect mirrors without repeating the edge pixel.
enum class PadMode : std::uint8_t { kConstant, kReflect };
/// Widths of a border in pixels, none negative.
struct Border {
  std::int64_t left = 0;
  std::int64_t top = 0;
  std::int64_t right = 0;
  std::int64_t bottom = 0;
};
/// Adds a border; `fill` is the value of every sample for kConstant.
/// @throws ShapeError if a width is negative, or not below the image's side for kReflect.
[[nodiscard]] Image pad(const ImageView& image, const Border& border,
                        PadMode mode = PadMode::kConstant, std::uint8_t fill = 0);

/// Left becomes right.
[[nodiscard]] Image flip_horizontal(const ImageView& image);
/// Top becomes bottom.
[[nodiscard]] Image flip_vertical(const ImageView& image);
/// Turns by quarter turns counter-clockwise (any integer).
[[nodiscard]] Image rotate_quarter(const ImageView& image, int turns);

/// Brings an image stored with an EXIF orientation (1 to 8) upright; other values change nothing.
[[nodiscard]] Image apply_orientation(Image image, int orientation);

}  // namespace conopa::image

namespace conopa {
using image::Image;
using image::ImageView;
}  // namespace conopa
