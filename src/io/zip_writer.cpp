#include "io/zip_writer.h"

#include <zlib.h>

#include <algorithm>
#include <bit>

namespace conopa {
namespace {

static_assert(std::endian::native == std::endian::little, "file formats here are little-endian");

constexpr std::uint32_t kIn64 = 0xFFFFFFFF;  // the number is in the zip64 field
constexpr std::uint16_t kCountIn64 = 0xFFFF;
constexpr std::uint16_t kField64 = 1;
constexpr std::uint16_t kPaddingField = 0x4246;  // as torch.save has it
constexpr std::uint16_t kVersion = 45;           // the first with zip64
constexpr std::uint16_t kUtf8 = 1 << 11;
constexpr std::uint16_t kFirstDay = (1 << 5) | 1;  // 1 January 1980
constexpr std::size_t kAlignment = 64;
constexpr std::size_t kLocalHeader = 30;
constexpr std::size_t kFieldHeader = 4;

/// A record of little-endian numbers.
class Record {
 public:
  template <typename T>
  Record& put(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
    return *this;
  }
  Record& text(std::string_view text) {
    bytes_ += text;
    return *this;
  }
  [[nodiscard]] const std::string& bytes() const noexcept { return bytes_; }

 private:
  std::string bytes_;
};

/// What both headers of an entry begin with behind mark and version.
void put_common(Record& out, std::uint32_t crc, std::uint32_t size, std::size_t name,
                std::size_t extra) {
  out.put<std::uint16_t>(kUtf8).put<std::uint16_t>(0);  // stored
  out.put<std::uint16_t>(0).put<std::uint16_t>(kFirstDay);
  out.put(crc).put(size).put(size);
  out.put(static_cast<std::uint16_t>(name)).put(static_cast<std::uint16_t>(extra));
}

std::uint32_t crc_of(std::span<const std::byte> data) {
  return static_cast<std::uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(data.data()), data.size()));
}

}  // namespace

ZipWriter::ZipWriter(const std::filesystem::path& path, std::uint64_t needs64)
    : file_(path), needs64_(needs64) {}

void ZipWriter::add(std::string name, std::span<const std::byte> data) {
  const auto offset = static_cast<std::uint64_t>(file_.size());
  const std::uint64_t size = data.size();
  const std::uint32_t crc = crc_of(data);
  const bool wide = size >= needs64_;
  Record extra;
  if (wide) extra.put<std::uint16_t>(kField64).put<std::uint16_t>(16).put(size).put(size);
  const std::size_t at = offset + kLocalHeader + name.size() + extra.bytes().size() + kFieldHeader;
  const std::size_t padding = (kAlignment - at % kAlignment) % kAlignment;
  extra.put(kPaddingField).put(static_cast<std::uint16_t>(padding));
  extra.text(std::string(padding, 'Z'));
  Record header;
  header.put<std::uint32_t>(0x04034B50).put(kVersion);
  put_common(header, crc, wide ? kIn64 : static_cast<std::uint32_t>(size), name.size(),
             extra.bytes().size());
  header.text(name).text(extra.bytes());
  file_.write(header.bytes());
  file_.write(data);
  entries_.push_back({std::move(name), offset, size, crc});
}

void ZipWriter::add(std::string name, std::string_view text) {
  add(std::move(name), std::as_bytes(std::span(text)));
}

void ZipWriter::write_directory_entry(const Entry& entry) {
  const bool wide_size = entry.size >= needs64_;
  const bool wide_offset = entry.offset >= needs64_;
  Record wide;
  if (wide_size) wide.put(entry.size).put(entry.size);
  if (wide_offset) wide.put(entry.offset);
  Record extra;
  if (!wide.bytes().empty()) {
    extra.put(kField64).put(static_cast<std::uint16_t>(wide.bytes().size())).text(wide.bytes());
  }
  Record out;
  out.put<std::uint32_t>(0x02014B50).put(kVersion).put(kVersion);
  put_common(out, entry.crc, wide_size ? kIn64 : static_cast<std::uint32_t>(entry.size),
             entry.name.size(), extra.bytes().size());
  // No comment, disk 0, no attributes.
  out.put<std::uint16_t>(0).put<std::uint16_t>(0).put<std::uint16_t>(0).put<std::uint32_t>(0);
  out.put(wide_offset ? kIn64 : static_cast<std::uint32_t>(entry.offset));
  out.text(entry.name).text(extra.bytes());
  file_.write(out.bytes());
}

void ZipWriter::write_end(std::uint64_t begin, std::uint64_t size) {
  const std::uint64_t count = entries_.size();
  const std::uint64_t end = begin + size;
  const bool wide = count >= kCountIn64 || begin >= needs64_ || size >= needs64_;
  Record out;
  if (wide) {
    out.put<std::uint32_t>(0x06064B50).put<std::uint64_t>(44).put(kVersion).put(kVersion);
    out.put<std::uint32_t>(0).put<std::uint32_t>(0).put(count).put(count).put(size).put(begin);
    out.put<std::uint32_t>(0x07064B50).put<std::uint32_t>(0).put(end).put<std::uint32_t>(1);
  }
  const auto short_count = wide ? kCountIn64 : static_cast<std::uint16_t>(count);
  out.put<std::uint32_t>(0x06054B50).put<std::uint16_t>(0).put<std::uint16_t>(0);
  out.put(short_count).put(short_count);
  out.put(wide ? kIn64 : static_cast<std::uint32_t>(size));
  out.put(wide ? kIn64 : static_cast<std::uint32_t>(begin)).put<std::uint16_t>(0);
  file_.write(out.bytes());
}

void ZipWriter::commit() {
  const auto begin = static_cast<std::uint64_t>(file_.size());
  for (const Entry& entry : entries_) write_directory_entry(entry);
  write_end(begin, static_cast<std::uint64_t>(file_.size()) - begin);
  file_.commit();
}

}  // namespace conopa
