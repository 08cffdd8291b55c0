#pragma once

#include <cstdint>
#include <string_view>

namespace conopa::report {

/// CRC-32C (Castagnoli polynomial 0x1EDC6F41, reflected, initial and final XOR all ones), the
/// checksum of TFRecord files. A table of our own: Debian has no small library for it and event
/// files are far from any hot path.
[[nodiscard]] std::uint32_t crc32c(std::string_view bytes) noexcept;

/// TFRecord's masked form: rotate right by 15 bits, add 0xa282ead8.
[[nodiscard]] constexpr std::uint32_t mask_crc(std::uint32_t crc) noexcept {
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8U;
}

}  // namespace conopa::report
