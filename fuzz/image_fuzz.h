#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "conopa/core/error.h"
#include "conopa/image/codec.h"

namespace conopa::image {

/// Probes and decodes bytes with a small pixel limit, strictly and tolerantly. Only FormatError
/// may come out, and what the header tells must be what the pixels are.
inline void decode_hostile(std::span<const std::byte> bytes) {
  DecodeOptions options{.max_pixels = 1 << 16};
  try {
    const ImageInfo info = probe(bytes, "fuzz", options);
    const Image image = decode(bytes, "fuzz", options);
    CONOPA_ASSERT(image.width == info.width && image.height == info.height);
    CONOPA_ASSERT(image.channels == info.channels);
  } catch (const FormatError&) {  // the expected outcome
  }
  options.tolerate_truncated = true;
  try {
    static_cast<void>(decode(bytes, "fuzz", options));
  } catch (const FormatError&) {
  }
}

/// The same with the first bytes replaced, so that one decoder gets every input.
inline void decode_hostile_as(std::string_view magic, const std::uint8_t* data, std::size_t size) {
  std::vector<std::byte> bytes(reinterpret_cast<const std::byte*>(data),
                               reinterpret_cast<const std::byte*>(data) + size);
  for (std::size_t i = 0; i < magic.size() && i < bytes.size(); ++i) {
    if (magic[i] != '?') bytes[i] = static_cast<std::byte>(magic[i]);
  }
  decode_hostile(bytes);
}

}  // namespace conopa::image
