#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace conopa {

/// Appends little-endian bytes of an unsigned integer.
template <typename Unsigned>
void append_le(std::string& out, Unsigned value) {
  for (std::size_t i = 0; i < sizeof(Unsigned); ++i) {
    out.push_back(static_cast<char>(static_cast<unsigned char>(value >> (8 * i))));
  }
}

/// Encodes the fields of one protobuf message, in the order of the calls. Field numbers are the
/// caller's; no schema is checked.
class ProtoMessage {
 public:
  void integer(std::uint32_t field, std::int64_t value) {
    key(field, 0);
    varint(static_cast<std::uint64_t>(value));
  }
  void fixed(std::uint32_t field, double value) {
    key(field, 1);
    append_le(bytes_, std::bit_cast<std::uint64_t>(value));
  }
  void fixed(std::uint32_t field, float value) {
    key(field, 5);
    append_le(bytes_, std::bit_cast<std::uint32_t>(value));
  }
  /// A string, byte string or nested message.
  void bytes(std::uint32_t field, std::string_view value) {
    key(field, 2);
    varint(value.size());
    bytes_.append(value);
  }
  void message(std::uint32_t field, const ProtoMessage& value) { bytes(field, value.bytes_); }
  /// Starts a byte string or nested message of `size` bytes that the caller writes behind str():
  /// large content need not pass through this object.
  void open(std::uint32_t field, std::uint64_t size) {
    key(field, 2);
    varint(size);
  }
  void packed(std::uint32_t field, std::span<const double> values) {
    key(field, 2);
    varint(values.size() * sizeof(double));
    for (const double value : values) append_le(bytes_, std::bit_cast<std::uint64_t>(value));
  }

  [[nodiscard]] const std::string& str() const noexcept { return bytes_; }

 private:
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_.push_back(static_cast<char>((value & 0x7f) | 0x80));
    bytes_.push_back(static_cast<char>(value));
  }
  void key(std::uint32_t field, std::uint32_t wire_type) { varint((field << 3) | wire_type); }

  std::string bytes_;
};

}  // namespace conopa
