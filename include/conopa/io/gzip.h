#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

namespace conopa {

/// Reads a file that may be gzip-compressed (recognised by content, several members allowed).
///
/// @param limit  largest result in bytes; the guard against decompression bombs.
/// @throws IoError if the file cannot be read, FormatError if it is damaged or exceeds `limit`.
[[nodiscard]] std::vector<std::byte> read_possibly_gzipped(const std::filesystem::path& path,
                                                           std::int64_t limit);

/// The same for bytes in memory; `where` is used in messages.
[[nodiscard]] std::vector<std::byte> possibly_gunzip(std::span<const std::byte> bytes,
                                                     std::string_view where, std::int64_t limit);

}  // namespace conopa
