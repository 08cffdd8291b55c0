#include "io/zip_directory.h"

#include <algorithm>
#include <optional>

#include "conopa/core/error.h"
#include "io/byte_reader.h"
#include "io/printable.h"

namespace conopa {
namespace {

constexpr std::uint32_t kLocalMark = 0x04034B50;
constexpr std::uint32_t kCentralMark = 0x02014B50;
constexpr std::uint32_t kEndMark = 0x06054B50;
constexpr std::uint32_t kEnd64Mark = 0x06064B50;
constexpr std::uint32_t kLocator64Mark = 0x07064B50;
constexpr std::size_t kEndSize = 22;
constexpr std::size_t kLocator64Size = 20;
constexpr std::size_t kMaxComment = 0xFFFF;

constexpr std::uint64_t kIn64 = 0xFFFFFFFF;  // the number is in the zip64 field
constexpr std::uint16_t kField64 = 1;
constexpr std::uint64_t kMaxEntries = 1'000'000;
constexpr std::uint64_t kMaxDeflateRatio = 1032;  // what deflate can reach at all
constexpr std::uint16_t kStored = 0;
constexpr std::uint16_t kDeflated = 8;
constexpr std::uint16_t kEncrypted = 1;

[[noreturn]] void throw_damaged(std::string_view where, std::string_view what) {
  throw FormatError(where, "{}; the zip archive is truncated or damaged, copy or download it again",
                    printable(what));
}

/// Where the directory lies.
struct Directory {
  std::uint64_t count;
  std::uint64_t offset;
  std::uint64_t size;
};

/// Position of the end record: the last one whose comment reaches exactly to the end of the file.
std::size_t find_end(std::span<const std::byte> archive, std::string_view where) {
  if (archive.size() >= kEndSize) {
    const std::size_t last = archive.size() - kEndSize;
    const std::size_t first = last > kMaxComment ? last - kMaxComment : 0;
    for (std::size_t at = last + 1; at-- > first;) {
      ByteReader reader(archive.subspan(at), where);
      if (reader.read<std::uint32_t>() != kEndMark) continue;
      reader.skip(kEndSize - sizeof(std::uint32_t) - sizeof(std::uint16_t));
      if (reader.read<std::uint16_t>() == reader.remaining()) return at;
    }
  }
  throw_damaged(where, "expected a zip archive, found no end of its directory");
}

/// The zip64 end record, if a locator stands before the end record.
std::optional<Directory> read_end64(std::span<const std::byte> archive, std::size_t end,
                                    std::string_view where) {
  if (end < kLocator64Size) return std::nullopt;
  ByteReader locator(archive.subspan(end - kLocator64Size), where);
  if (locator.read<std::uint32_t>() != kLocator64Mark) return std::nullopt;
  locator.skip(sizeof(std::uint32_t));  // number of the disk
  const auto at = locator.read<std::uint64_t>();
  if (at > archive.size()) throw_damaged(where, "the zip64 end record lies outside the file");
  ByteReader reader(archive.subspan(static_cast<std::size_t>(at)), where);
  if (reader.read<std::uint32_t>() != kEnd64Mark) {
    throw_damaged(where, "the zip64 end record is missing");
  }
  reader.skip(28);  // size, versions, disks, entries on this disk
  Directory directory{};
  directory.count = reader.read<std::uint64_t>();
  directory.size = reader.read<std::uint64_t>();
  directory.offset = reader.read<std::uint64_t>();
  return directory;
}

Directory find_directory(std::span<const std::byte> archive, std::string_view where) {
  const std::size_t end = find_end(archive, where);
  if (const auto directory = read_end64(archive, end, where)) return *directory;
  ByteReader reader(archive.subspan(end), where);
  reader.skip(10);  // mark, disks, entries on this disk
  Directory directory{};
  directory.count = reader.read<std::uint16_t>();
  directory.size = reader.read<std::uint32_t>();
  directory.offset = reader.read<std::uint32_t>();
  return directory;
}

/// Replaces the numbers that did not fit into 32 bits by those of the zip64 field.
void read_extra(ByteReader extra, std::uint64_t& size, std::uint64_t& packed,
                std::uint64_t& offset) {
  while (extra.remaining() >= 2 * sizeof(std::uint16_t)) {
    const auto id = extra.read<std::uint16_t>();
    const auto length = extra.read<std::uint16_t>();
    ByteReader field(extra.take(length), extra.where());
    if (id != kField64) continue;
    for (std::uint64_t* number : {&size, &packed, &offset}) {
      if (*number == kIn64) *number = field.read<std::uint64_t>();
    }
    return;
  }
}

ZipEntry read_entry(ByteReader& reader, std::uint64_t archive_size) {
  if (reader.read<std::uint32_t>() != kCentralMark) {
    throw_damaged(reader.where(), "the directory is malformed");
  }
  reader.skip(4);  // versions
  const auto flags = reader.read<std::uint16_t>();
  const auto method = reader.read<std::uint16_t>();
  reader.skip(4);  // time
  ZipEntry entry;
  entry.crc32 = reader.read<std::uint32_t>();
  std::uint64_t packed = reader.read<std::uint32_t>();
  std::uint64_t size = reader.read<std::uint32_t>();
  const auto name_length = reader.read<std::uint16_t>();
  const auto extra_length = reader.read<std::uint16_t>();
  const auto comment_length = reader.read<std::uint16_t>();
  reader.skip(8);  // disk and attributes
  std::uint64_t offset = reader.read<std::uint32_t>();
  entry.name = reader.text(name_length);
  read_extra(ByteReader(reader.take(extra_length), reader.where()), size, packed, offset);
  reader.skip(comment_length);

  if ((flags & kEncrypted) != 0 || (method != kStored && method != kDeflated)) {
    throw UnsupportedError(reader.where(),
                           "entry '{}' is encrypted or packed by method {}; repack the archive "
                           "with plain deflate",
                           printable(entry.name), method);
  }
  entry.deflated = method == kDeflated;
  const std::uint64_t most = entry.deflated ? archive_size * kMaxDeflateRatio : archive_size;
  if (packed > archive_size || offset > archive_size || size > most ||
      (!entry.deflated && size != packed)) {
    throw_damaged(reader.where(), fmt::format("entry '{}' claims {} bytes in a file of {}",
                                              entry.name, size, archive_size));
  }
  entry.size = static_cast<std::int64_t>(size);
  entry.compressed_size = static_cast<std::int64_t>(packed);
  entry.header_offset = static_cast<std::int64_t>(offset);
  return entry;
}

}  // namespace

std::vector<ZipEntry> parse_zip_directory(std::span<const std::byte> archive,
                                          std::string_view where) {
  const Directory directory = find_directory(archive, where);
  if (directory.offset > archive.size() || directory.size > archive.size() - directory.offset ||
      directory.count > kMaxEntries) {
    throw_damaged(where, fmt::format("the directory claims {} entries in {} bytes", directory.count,
                                     directory.size));
  }
  ByteReader reader(archive.subspan(static_cast<std::size_t>(directory.offset),
                                    static_cast<std::size_t>(directory.size)),
                    where);
  std::vector<ZipEntry> entries;
  for (std::uint64_t i = 0; i < directory.count; ++i) {
    entries.push_back(read_entry(reader, archive.size()));
  }
  return entries;
}

std::int64_t zip_data_offset(std::span<const std::byte> archive, const ZipEntry& entry,
                             std::string_view where) {
  ByteReader reader(archive.subspan(static_cast<std::size_t>(entry.header_offset)), where);
  if (reader.read<std::uint32_t>() != kLocalMark) {
    throw_damaged(where, fmt::format("entry '{}' has no local header", entry.name));
  }
  reader.skip(22);  // repeats the directory
  const auto name_length = reader.read<std::uint16_t>();
  const auto extra_length = reader.read<std::uint16_t>();
  if (reader.text(name_length) != entry.name) {
    throw_damaged(where, fmt::format("the local header of '{}' has another name", entry.name));
  }
  reader.skip(extra_length);
  return entry.header_offset + static_cast<std::int64_t>(reader.position());
}

}  // namespace conopa
