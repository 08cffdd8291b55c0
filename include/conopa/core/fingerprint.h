#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace conopa {

/// A 64-bit hash of a sequence of byte strings: tells whether two inputs are the same, not whether
/// somebody meant them to look the same (it is not cryptographic).
///
/// Every piece counts with its length, so that "ab", "c" differs from "a", "bc". The value is part
/// of file names and metadata: it never changes for the same pieces. Not thread-safe.
/// @complexity about 2 GB/s.
class Fingerprint {
 public:
  Fingerprint& add(std::span<const std::byte> bytes) noexcept;
  Fingerprint& add(std::string_view text) noexcept;

  /// 16 hexadecimal digits.
  [[nodiscard]] std::string hex() const;

 private:
  void mix(std::uint64_t word) noexcept;

  std::uint64_t state_ = 0x9E3779B97F4A7C15ULL;
};

}  // namespace conopa
