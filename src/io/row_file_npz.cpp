#include "io/row_file_npz.h"

#include <fmt/format.h>
#include <zlib.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "conopa/core/error.h"

namespace conopa {
namespace {

constexpr std::uint64_t kIn64 = 0xFFFFFFFFU;  // the number is in the zip64 field
constexpr std::size_t kArrayHead = 128;       // bytes before an array's data
constexpr std::uint16_t kVersion = 45;        // zip64
constexpr std::uint16_t kFirstDay = 0x21;     // 1980-01-01: equal content, equal bytes

/// Little-endian numbers, one after the other.
class Record {
 public:
  Record& u16(std::uint64_t value) { return put(value, 2); }
  Record& u32(std::uint64_t value) { return put(value, 4); }
  Record& u64(std::uint64_t value) { return put(value, 8); }
  Record& text(std::string_view value) {
    bytes_ += value;
    return *this;
  }
  [[nodiscard]] const std::string& bytes() const noexcept { return bytes_; }

 private:
  Record& put(std::uint64_t value, int size) {
    for (int i = 0; i < size; ++i) bytes_ += static_cast<char>(value >> (8 * i) & 0xFF);
    return *this;
  }

  std::string bytes_;
};

/// An uncompressed member of the archive.
struct Member {
  std::string name;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::uint64_t crc = 0;
};

// Sizes stand in the zip64 field always, so that the header can be written before they are known.
std::string local_header(const Member& member) {
  return Record()
      .u32(0x04034b50)
      .u16(kVersion)
      .u16(0)
      .u16(0)
      .u16(0)
      .u16(kFirstDay)
      .u32(member.crc)
      .u32(kIn64)
      .u32(kIn64)
      .u16(member.name.size())
      .u16(20)
      .text(member.name)
      .u16(1)
      .u16(16)
      .u64(member.size)
      .u64(member.size)
      .bytes();
}

std::string directory_entry(const Member& member) {
  const std::string in64 =
      Record().u16(1).u16(24).u64(member.size).u64(member.size).u64(member.offset).bytes();
  return Record()
      .u32(0x02014b50)
      .u16(kVersion)
      .u16(kVersion)
      .u16(0)
      .u16(0)
      .u16(0)
      .u16(kFirstDay)
      .u32(member.crc)
      .u32(kIn64)
      .u32(kIn64)
      .u16(member.name.size())
      .u16(in64.size())
      .u16(0)
      .u16(0)
      .u16(0)
      .u32(0)
      .u32(kIn64)
      .text(member.name)
      .text(in64)
      .bytes();
}

std::string end_of(std::uint64_t members, std::uint64_t begin, std::uint64_t size) {
  const std::uint64_t end = begin + size;
  return Record()
      .u32(0x06064b50)  // the zip64 end record
      .u64(44)
      .u16(kVersion)
      .u16(kVersion)
      .u32(0)
      .u32(0)
      .u64(members)
      .u64(members)
      .u64(size)
      .u64(begin)
      .u32(0x07064b50)  // its locator
      .u32(0)
      .u64(end)
      .u32(1)
      .u32(0x06054b50)  // the end record
      .u16(0)
      .u16(0)
      .u16(members)
      .u16(members)
      .u32(size)
      .u32(kIn64)
      .u16(0)
      .bytes();
}

uLong crc_of(uLong crc, std::span<const std::byte> bytes) {
  return crc32_z(crc, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
}

std::string array_head(const Shape& shape) {
  std::string text = "{'descr': '<f4', 'fortran_order': False, 'shape': (";
  for (const std::int64_t size : shape) text += fmt::format("{}, ", size);
  text += "), }";
  constexpr std::size_t kBefore = 10;  // magic, version, length
  text.resize(kArrayHead - kBefore - 1, ' ');
  text += '\n';
  return Record().text("\x93NUMPY").u16(1).u16(text.size()).text(text).bytes();
}

/// The local header and the array's head are written first, and again in the end.
class NpzRowFile final : public RowFile {
 public:
  NpzRowFile(const std::filesystem::path& path, RowFileOptions given)
      : RowFile(path, std::move(given)), array_{.name = options().name + ".npy"} {
    file().write(local_header(array_) + array_head(shape(0)));
  }

 private:
  void passed(std::span<const std::byte> bytes) override {
    data_crc_ = crc_of(data_crc_, bytes);
    data_size_ += bytes.size();
  }

  void finish(std::span<const std::string> names) override {
    const std::string head = array_head(shape(rows()));
    array_.size = head.size() + data_size_;
    array_.crc = crc32_combine(crc_of(0, std::as_bytes(std::span(head))), data_crc_,
                               static_cast<z_off_t>(data_size_));
    file().overwrite(0, local_header(array_) + head);

    using Json = nlohmann::json;
    const std::string text = Json(names).dump(-1, ' ', false, Json::error_handler_t::replace);
    const Member list{.name = "names.json",
                      .offset = static_cast<std::uint64_t>(file().size()),
                      .size = text.size(),
                      .crc = crc_of(0, std::as_bytes(std::span(text)))};
    file().write(local_header(list) + text);
    const auto begin = static_cast<std::uint64_t>(file().size());
    const std::string directory = directory_entry(array_) + directory_entry(list);
    file().write(directory + end_of(2, begin, directory.size()));
  }

  Member array_;
  uLong data_crc_ = 0;
  std::uint64_t data_size_ = 0;
};

}  // namespace

std::unique_ptr<RowFile> make_npz_row_file(const std::filesystem::path& path,
                                           RowFileOptions options) {
  return std::make_unique<NpzRowFile>(path, std::move(options));
}

}  // namespace conopa
