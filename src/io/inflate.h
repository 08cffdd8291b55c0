#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace conopa {

enum class DeflateFormat { kRaw, kGzip };

/// Unpacks deflate data.
///
/// @param limit  largest result. Reaching it is an error if `whole`, else the result is cut there.
/// @param whole  the stream must end where the bytes end; gzip may continue with more members, and
///               padding zeros after the last one are ignored.
/// @throws FormatError if the stream is damaged, truncated or exceeds `limit`.
/// @complexity Memory grows with the data actually unpacked, never beyond `limit`.
[[nodiscard]] std::vector<std::byte> inflate_bytes(std::span<const std::byte> bytes,
                                                   DeflateFormat format, std::int64_t limit,
                                                   bool whole, std::string_view where);

}  // namespace conopa
