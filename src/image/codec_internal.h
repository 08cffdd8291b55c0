#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "conopa/image/codec.h"

namespace conopa::image {

using Bytes = std::span<const std::byte>;

/// What one decoder is asked for: the header alone, or the pixels too.
struct DecodeRequest {
  Bytes bytes;
  std::string_view name;
  const DecodeOptions& options;
  bool header_only = false;
};
struct DecodeResult {
  ImageInfo info;  ///< as stored, before orientation
  Image image;     ///< empty if the header alone was asked for
  int orientation = 1;
};

DecodeResult decode_jpeg(const DecodeRequest& request);
DecodeResult decode_png(const DecodeRequest& request);
DecodeResult decode_webp(const DecodeRequest& request);
DecodeResult decode_pnm(const DecodeRequest& request);

/// Refuses images without pixels or with more than the options allow.
/// @throws FormatError
void check_size(const DecodeRequest& request, std::int64_t width, std::int64_t height);

/// The orientation tag of an EXIF block (with or without its "Exif" prefix), 1 if there is none.
int exif_orientation(Bytes exif);

}  // namespace conopa::image
