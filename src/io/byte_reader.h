#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "conopa/core/error.h"

namespace conopa {

static_assert(std::endian::native == std::endian::little, "file formats here are little-endian");

/// Reads little-endian fields from bytes, checking every length first.
class ByteReader {
 public:
  /// @param where  file name for messages; must outlive the reader.
  ByteReader(std::span<const std::byte> bytes, std::string_view where)
      : bytes_(bytes), where_(where) {}

  [[nodiscard]] std::size_t position() const noexcept { return position_; }
  [[nodiscard]] std::size_t remaining() const noexcept { return bytes_.size() - position_; }
  [[nodiscard]] std::string_view where() const noexcept { return where_; }

  /// The next `count` bytes.
  /// @throws FormatError if fewer are left.
  [[nodiscard]] std::span<const std::byte> take(std::uint64_t count) {
    if (count > remaining()) {
      throw FormatError(where_,
                        "expected {} more bytes at offset {}, found {}; the file is truncated or "
                        "damaged, copy or download it again",
                        count, position_, remaining());
    }
    const auto out = bytes_.subspan(position_, static_cast<std::size_t>(count));
    position_ += out.size();
    return out;
  }

  void skip(std::uint64_t count) { static_cast<void>(take(count)); }

  template <typename T>
    requires(std::integral<T> || std::floating_point<T>)
  [[nodiscard]] T read() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }

  [[nodiscard]] std::string_view text(std::uint64_t count) {
    const auto bytes = take(count);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  /// Text up to the next newline, which is consumed and not returned.
  [[nodiscard]] std::string_view line() {
    const void* end =
        remaining() == 0 ? nullptr : std::memchr(bytes_.data() + position_, '\n', remaining());
    if (end == nullptr) static_cast<void>(take(remaining() + 1));  // throws
    const std::size_t length =
        static_cast<std::size_t>(static_cast<const std::byte*>(end) - bytes_.data()) - position_;
    const std::string_view out = text(length);
    skip(1);
    return out;
  }

 private:
  std::span<const std::byte> bytes_;
  std::string_view where_;
  std::size_t position_ = 0;
};

}  // namespace conopa
