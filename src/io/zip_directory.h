#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "conopa/io/zip_reader.h"

namespace conopa {

/// Parses the central directory of a zip archive.
/// @throws FormatError if it is damaged or holds more than a million entries; UnsupportedError if
/// an entry is encrypted or packed otherwise than by deflate.
[[nodiscard]] std::vector<ZipEntry> parse_zip_directory(std::span<const std::byte> archive,
                                                        std::string_view where);

/// Where the data of an entry begins.
/// @throws FormatError if the local header is damaged or contradicts the directory.
[[nodiscard]] std::int64_t zip_data_offset(std::span<const std::byte> archive,
                                           const ZipEntry& entry, std::string_view where);

}  // namespace conopa
