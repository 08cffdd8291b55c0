#include "conopa/io/gzip.h"

#include "conopa/core/error.h"
#include "conopa/io/mapped_file.h"
#include "io/inflate.h"

namespace conopa {

std::vector<std::byte> possibly_gunzip(std::span<const std::byte> bytes, std::string_view where,
                                       std::int64_t limit) {
  const bool packed =
      bytes.size() >= 2 && bytes[0] == std::byte{0x1F} && bytes[1] == std::byte{0x8B};
  if (packed) return inflate_bytes(bytes, DeflateFormat::kGzip, limit, true, where);
  if (static_cast<std::int64_t>(bytes.size()) > limit) {
    throw FormatError(where, "expected at most {} bytes, found {}", limit, bytes.size());
  }
  return {bytes.begin(), bytes.end()};
}

std::vector<std::byte> read_possibly_gzipped(const std::filesystem::path& path,
                                             std::int64_t limit) {
  const std::shared_ptr<const MappedFile> file = MappedFile::open(path);
  return possibly_gunzip(file->bytes(), file->name(), limit);
}

}  // namespace conopa
