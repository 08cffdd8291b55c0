#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace conopa::testing {

/// The fields of a protobuf message by number, repeated ones in their order: integers as text of
/// their value, the rest as raw bytes.
inline std::multimap<int, std::string> proto_fields(std::string_view message) {
  const auto varint = [&message] {
    std::uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(message.front());
      message.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  std::multimap<int, std::string> fields;
  while (!message.empty()) {
    const std::uint64_t key = varint();
    const int number = static_cast<int>(key >> 3);
    const std::uint64_t wire = key & 7;
    if (wire == 0) {
      fields.emplace(number, std::to_string(static_cast<std::int64_t>(varint())));
      continue;
    }
    const std::size_t size = wire == 1 ? 8 : wire == 5 ? 4 : static_cast<std::size_t>(varint());
    fields.emplace(number, message.substr(0, size));
    message.remove_prefix(size);
  }
  return fields;
}

}  // namespace conopa::testing
