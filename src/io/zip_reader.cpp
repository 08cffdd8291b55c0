#include "conopa/io/zip_reader.h"

#include <zlib.h>

#include <algorithm>

#include "conopa/core/error.h"
#include "io/inflate.h"
#include "io/printable.h"
#include "io/zip_directory.h"

namespace conopa {

ZipReader::ZipReader(std::shared_ptr<const MappedFile> file)
    : file_(std::move(file)), entries_(parse_zip_directory(file_->bytes(), file_->name())) {
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (!index_.emplace(entries_[i].name, i).second) {
      throw FormatError(file_->name(), "entry '{}' occurs twice; the zip archive is damaged",
                        printable(entries_[i].name));
    }
  }
}

const ZipEntry* ZipReader::find(std::string_view name) const {
  const auto found = index_.find(std::string(name));
  return found == index_.end() ? nullptr : &entries_[found->second];
}

std::span<const std::byte> ZipReader::stored_bytes(const ZipEntry& entry) const {
  const std::int64_t offset = zip_data_offset(file_->bytes(), entry, file_->name());
  return file_->view(offset, entry.compressed_size);
}

SharedBytes ZipReader::read(const ZipEntry& entry, std::int64_t limit) const {
  const std::span<const std::byte> packed = stored_bytes(entry);
  if (!entry.deflated) return {packed, file_};
  if (entry.size > limit) {
    throw FormatError(file_->name(),
                      "expected entry '{}' to unpack to at most {} bytes, found {}; store it "
                      "without compression if it is genuine",
                      printable(entry.name), limit, entry.size);
  }
  auto unpacked = std::make_shared<std::vector<std::byte>>(
      inflate_bytes(packed, DeflateFormat::kRaw, entry.size, true, file_->name()));
  const uLong crc =
      ::crc32_z(0, reinterpret_cast<const Bytef*>(unpacked->data()), unpacked->size());
  if (static_cast<std::int64_t>(unpacked->size()) != entry.size || crc != entry.crc32) {
    throw FormatError(file_->name(),
                      "entry '{}' fails its checksum; the zip archive is damaged, copy or download "
                      "it again",
                      printable(entry.name));
  }
  return {*unpacked, unpacked};
}

SharedBytes ZipReader::read_prefix(const ZipEntry& entry, std::int64_t length) const {
  const std::span<const std::byte> packed = stored_bytes(entry);
  if (!entry.deflated) {
    return {packed.first(std::min(packed.size(), static_cast<std::size_t>(length))), file_};
  }
  auto unpacked = std::make_shared<std::vector<std::byte>>(inflate_bytes(
      packed, DeflateFormat::kRaw, std::min(length, entry.size), false, file_->name()));
  return {*unpacked, unpacked};
}

void ZipReader::release(const ZipEntry& entry) const noexcept {
  // From the header on, which precedes the data by less than a page: no need to read it again.
  const std::span<const std::byte> rest =
      file_->bytes().subspan(static_cast<std::size_t>(entry.header_offset));
  file_->drop_pages(
      rest.first(std::min(rest.size(), static_cast<std::size_t>(entry.compressed_size))));
}

}  // namespace conopa
