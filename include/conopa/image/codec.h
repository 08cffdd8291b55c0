#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "conopa/image/image.h"

namespace conopa::image {

/// The encoded forms that decode() reads.
enum class Format : std::uint8_t { kJpeg, kPng, kWebp, kPnm };

/// "JPEG", "PNG", "WebP" or "PNM".
[[nodiscard]] std::string_view format_name(Format format) noexcept;

struct DecodeOptions {
  /// Larger images are refused before any pixel is allocated (PIL's decompression-bomb limit).
  std::int64_t max_pixels = 178'956'970;
  /// Brings the image upright by its EXIF orientation tag.
  bool apply_orientation = true;
  /// Returns what could be read of a cut-off file (the rest is gray or black) instead of failing.
  bool tolerate_truncated = false;
};

/// What the header of an encoded image says; sizes are those decode() would return.
struct ImageInfo {
  Format format = Format::kJpeg;
  std::int64_t width = 0;
  std::int64_t height = 0;
  std::int64_t channels = 0;
};

/// Decodes JPEG, PNG, WebP, PBM, PGM or PPM bytes; the kind is told by the first bytes.
///
/// Samples equal those of PIL: JPEG with the slow integer DCT and smooth chroma upsampling, CMYK
/// and YCCK (stored inverted, as Adobe does) turned into RGB; PNG of 1, 2 and 4 bits scaled to
/// 0..255, palettes expanded, 16 bits reduced to the high byte; PNM scaled by its maxval. Gray
/// stays one channel, alpha and transparent colours give four channels. Colour profiles are not
/// applied; the first frame of an animated PNG is its still image, animated WebP is refused.
///
/// @param name  of the file, for messages.
/// @throws FormatError naming the file for anything that is not a complete image of a supported
///         kind, has no pixels, or has more than options.max_pixels.
/// Thread-safe.
[[nodiscard]] Image decode(std::span<const std::byte> bytes, std::string_view name,
                           const DecodeOptions& options = {});

/// Reads a file and decodes it.
/// @throws IoError if it cannot be read; FormatError as decode().
[[nodiscard]] Image decode_file(const std::filesystem::path& path,
                                const DecodeOptions& options = {});

/// Reads the header alone: kind and size, without decoding pixels.
/// @throws FormatError as decode(), as far as the header tells.
[[nodiscard]] ImageInfo probe(std::span<const std::byte> bytes, std::string_view name,
                              const DecodeOptions& options = {});

/// Encodes as PNG: 8-bit gray, RGB or RGBA, not interlaced.
[[nodiscard]] std::vector<std::byte> encode_png(const ImageView& image);

/// Encodes as baseline JPEG, chroma halved in both directions; alpha is dropped.
/// @param quality  1 to 100.
/// @throws ConfigError for another quality; ShapeError for a side over 65,500 pixels.
[[nodiscard]] std::vector<std::byte> encode_jpeg(const ImageView& image, int quality = 90);

}  // namespace conopa::image
