#include "tests/io/zip_builder.h"

#include <zlib.h>

#include <algorithm>
#include <fstream>
#include <stdexcept>

namespace conopa::testing {
namespace {

constexpr std::uint64_t kSmall = 0xFFFFFFFFU;  // larger numbers go to the zip64 field

template <typename T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

std::uint32_t capped(std::uint64_t value) {
  return static_cast<std::uint32_t>(std::min(value, kSmall));
}

std::string compress(std::string_view data, int window_bits) {
  z_stream stream{};
  if (deflateInit2(&stream, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::runtime_error("deflateInit2");
  }
  std::string out(deflateBound(&stream, data.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::uint32_t crc_of(std::string_view data) {
  return static_cast<std::uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(data.data()), data.size()));
}

}  // namespace

std::string deflate_raw(std::string_view data) { return compress(data, -MAX_WBITS); }
std::string gzip(std::string_view data) { return compress(data, MAX_WBITS + 16); }

ZipBuilder& ZipBuilder::stored(std::string name, std::string_view data, std::size_t alignment) {
  add(std::move(name), data, data.size(), data.size(), crc_of(data), 0, alignment);
  return *this;
}

ZipBuilder& ZipBuilder::deflated(std::string name, std::string_view data) {
  const std::string packed = deflate_raw(data);
  add(std::move(name), packed, packed.size(), data.size(), crc_of(data), Z_DEFLATED, 1);
  return *this;
}

ZipBuilder& ZipBuilder::lying(std::string name, std::string_view data, std::uint64_t claimed_size) {
  const std::string packed = deflate_raw(data);
  add(std::move(name), packed, packed.size(), claimed_size, crc_of(data), Z_DEFLATED, 1);
  return *this;
}

ZipBuilder& ZipBuilder::hole(std::string name, std::uint64_t size) {
  add(std::move(name), {}, size, size, 0, 0, 64);
  return *this;
}

void ZipBuilder::add(std::string name, std::string_view packed, std::uint64_t packed_size,
                     std::uint64_t size, std::uint32_t crc, std::uint16_t method,
                     std::size_t alignment) {
  std::string extra;
  if (size >= kSmall) {
    put<std::uint16_t>(extra, 1);
    put<std::uint16_t>(extra, 16);
    put(extra, size);
    put(extra, packed_size);
  }
  constexpr std::size_t kLocalHeader = 30;
  constexpr std::size_t kExtraHeader = 4;
  const std::uint64_t data_at = end_ + kLocalHeader + name.size() + extra.size() + kExtraHeader;
  const std::uint64_t padding = (alignment - data_at % alignment) % alignment;
  put<std::uint16_t>(extra, 0x4246);
  put<std::uint16_t>(extra, static_cast<std::uint16_t>(padding));
  extra.append(padding, 'Z');

  std::string header;
  put<std::uint32_t>(header, 0x04034B50);
  put<std::uint16_t>(header, 45);
  put<std::uint16_t>(header, 0);
  put<std::uint16_t>(header, method);
  put<std::uint32_t>(header, 0);
  put<std::uint32_t>(header, crc);
  put<std::uint32_t>(header, capped(size >= kSmall ? kSmall : packed_size));
  put<std::uint32_t>(header, capped(size));
  put<std::uint16_t>(header, static_cast<std::uint16_t>(name.size()));
  put<std::uint16_t>(header, static_cast<std::uint16_t>(extra.size()));
  header += name + extra;
  entries_.push_back({std::move(name), end_, packed_size, size, crc, method});
  pieces_.push_back({end_, header + std::string(packed)});
  end_ += header.size() + packed_size;
}

std::string ZipBuilder::directory() const {
  std::string out;
  for (const Entry& entry : entries_) {
    std::string extra;  // zip64: always there, holds what does not fit
    std::string wide;
    if (entry.size >= kSmall) {
      put(wide, entry.size);
      put(wide, entry.packed);
    }
    if (entry.offset >= kSmall) put(wide, entry.offset);
    if (!wide.empty()) {
      put<std::uint16_t>(extra, 1);
      put<std::uint16_t>(extra, static_cast<std::uint16_t>(wide.size()));
      extra += wide;
    }
    put<std::uint32_t>(out, 0x02014B50);
    put<std::uint32_t>(out, 45U | (45U << 16));
    put<std::uint16_t>(out, 0);
    put<std::uint16_t>(out, entry.method);
    put<std::uint32_t>(out, 0);
    put<std::uint32_t>(out, entry.crc);
    put<std::uint32_t>(out, capped(entry.size >= kSmall ? kSmall : entry.packed));
    put<std::uint32_t>(out, capped(entry.size));
    put<std::uint16_t>(out, static_cast<std::uint16_t>(entry.name.size()));
    put<std::uint16_t>(out, static_cast<std::uint16_t>(extra.size()));
    out.append(10, '\0');
    put<std::uint32_t>(out, capped(entry.offset));
    out += entry.name + extra;
  }
  const std::uint64_t size = out.size();
  const std::uint64_t zip64_at = end_ + size;
  put<std::uint32_t>(out, 0x06064B50);
  put<std::uint64_t>(out, 44);
  put<std::uint32_t>(out, 45U | (45U << 16));
  put<std::uint64_t>(out, 0);
  put<std::uint64_t>(out, entries_.size());
  put<std::uint64_t>(out, entries_.size());
  put<std::uint64_t>(out, size);
  put<std::uint64_t>(out, end_);
  put<std::uint32_t>(out, 0x07064B50);
  put<std::uint32_t>(out, 0);
  put<std::uint64_t>(out, zip64_at);
  put<std::uint32_t>(out, 1);
  put<std::uint32_t>(out, 0x06054B50);
  put<std::uint32_t>(out, 0);
  put<std::uint16_t>(out, static_cast<std::uint16_t>(entries_.size()));
  put<std::uint16_t>(out, static_cast<std::uint16_t>(entries_.size()));
  put<std::uint32_t>(out, capped(size));
  put<std::uint32_t>(out, capped(end_));
  put<std::uint16_t>(out, 0);
  return out;
}

std::string ZipBuilder::bytes() const {
  std::string out;
  for (const Piece& piece : pieces_) {
    if (piece.offset != out.size()) throw std::logic_error("an archive with holes needs a file");
    out += piece.data;
  }
  return out + directory();
}

void ZipBuilder::write(const std::filesystem::path& path) const {
  std::ofstream out(path, std::ios::binary);
  for (const Piece& piece : pieces_) {
    out.seekp(static_cast<std::streamoff>(piece.offset)) << piece.data;
  }
  out.seekp(static_cast<std::streamoff>(end_)) << directory();
}

}  // namespace conopa::testing
