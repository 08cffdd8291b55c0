#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "conopa/io/mapped_file.h"

namespace conopa {

/// One file inside a zip archive.
struct ZipEntry {
  std::string name;
  std::int64_t size = 0;             ///< bytes when unpacked
  std::int64_t compressed_size = 0;  ///< bytes in the archive
  bool deflated = false;
  std::uint32_t crc32 = 0;
  std::int64_t header_offset = 0;  ///< of the local header before the data
};

/// A zip archive (zip64 too) over a mapped file. Stored entries are viewed in place; deflated ones
/// are unpacked on demand. Immutable, so thread-safe.
///
/// The directory is parsed here because Debian 12's minizip ignores the 64-bit sizes and offsets of
/// entries, and no packaged library tells where a stored entry lies.
/// @source APPNOTE.TXT 6.3.10 (ZIP file format).
class ZipReader {
 public:
  static constexpr std::int64_t kMaxUnpackedBytes = std::int64_t{4} << 30;

  /// Reads the central directory.
  /// @throws FormatError if the archive is damaged, has entries of one name or too many;
  /// UnsupportedError if an entry is encrypted or packed otherwise than by deflate.
  explicit ZipReader(std::shared_ptr<const MappedFile> file);

  [[nodiscard]] const std::vector<ZipEntry>& entries() const noexcept { return entries_; }
  /// Null if there is no such entry.
  [[nodiscard]] const ZipEntry* find(std::string_view name) const;

  /// Content of an entry. The checksum is verified for deflated entries only: checking a stored
  /// one would read all of it, and writers may leave it out.
  /// @param limit  largest size of a deflated entry; the guard against zip bombs.
  /// @throws FormatError if it is damaged or exceeds the limit.
  [[nodiscard]] SharedBytes read(const ZipEntry& entry,
                                 std::int64_t limit = kMaxUnpackedBytes) const;

  /// The first bytes of an entry, at most `length`; a deflated one is unpacked only so far.
  [[nodiscard]] SharedBytes read_prefix(const ZipEntry& entry, std::int64_t length) const;

  /// Lets the pages of an entry go, see MappedFile::drop_pages.
  void release(const ZipEntry& entry) const noexcept;

 private:
  [[nodiscard]] std::span<const std::byte> stored_bytes(const ZipEntry& entry) const;

  std::shared_ptr<const MappedFile> file_;
  std::vector<ZipEntry> entries_;
  std::unordered_map<std::string, std::size_t> index_;
};

}  // namespace conopa
