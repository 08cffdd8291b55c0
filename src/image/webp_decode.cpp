#include <webp/decode.h>

#include <cstring>
#include <memory>
#include <string_view>

#include "conopa/core/error.h"
#include "image/codec_internal.h"

namespace conopa::image {
namespace {

/// libwebp decodes pixels only; the EXIF block is a chunk of the RIFF container of its own.
int stored_orientation(Bytes bytes) {
  constexpr std::size_t kRiffHeader = 12;
  constexpr std::size_t kChunkHeader = 8;
  std::size_t at = kRiffHeader;
  while (at + kChunkHeader <= bytes.size()) {
    std::size_t size = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      size |= std::to_integer<std::size_t>(bytes[at + 4 + i]) << (8 * i);
    }
    const std::size_t body = at + kChunkHeader;
    if (size > bytes.size() - body) return 1;
    if (std::memcmp(&bytes[at], "EXIF", 4) == 0) return exif_orientation(bytes.subspan(body, size));
    at = body + size + size % 2;  // chunks are padded to even sizes
  }
  return 1;
}

std::string_view status_text(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
      return "the file ends early";
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      return "it uses an unsupported feature";
    case VP8_STATUS_OUT_OF_MEMORY:
      return "there is not enough memory";
    default:
      return "the data is damaged";
  }
}

}  // namespace

DecodeResult decode_webp(const DecodeRequest& request) {
  const auto fail = [&](VP8StatusCode status) {
    throw FormatError(request.name, "expected a complete WebP image, {}", status_text(status));
  };
  const auto* data = reinterpret_cast<const std::uint8_t*>(request.bytes.data());
  WebPBitstreamFeatures features;
  const VP8StatusCode header = WebPGetFeatures(data, request.bytes.size(), &features);
  if (header != VP8_STATUS_OK) fail(header);
  check_size(request, features.width, features.height);
  if (features.has_animation != 0) {
    throw FormatError(request.name, "expected a still WebP image, found an animation");
  }
  const std::int64_t channels = features.has_alpha != 0 ? 4 : 3;
  DecodeResult result;
  result.info = {Format::kWebp, features.width, features.height, channels};
  result.orientation = stored_orientation(request.bytes);
  if (request.header_only) return result;

  Image image(features.width, features.height, channels);
  const std::unique_ptr<WebPIDecoder, void (*)(WebPIDecoder*)> decoder(
      WebPINewRGB(channels == 4 ? MODE_RGBA : MODE_RGB, image.pixels.data(), image.pixels.size(),
                  static_cast<int>(image.width * channels)),
      WebPIDelete);
  if (decoder == nullptr) throw std::bad_alloc();
  const VP8StatusCode status = WebPIUpdate(decoder.get(), data, request.bytes.size());
  const bool cut_off = status == VP8_STATUS_SUSPENDED && request.options.tolerate_truncated;
  if (status != VP8_STATUS_OK && !cut_off) fail(status);
  result.image = std::move(image);
  return result;
}

}  // namespace conopa::image
