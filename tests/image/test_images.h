#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "conopa/image/image.h"

namespace conopa::image::testing {

inline std::filesystem::path data_folder() {
  return std::filesystem::path(CONOPA_SOURCE_DIR) / "tests/image/data";
}

inline std::vector<std::byte> read_bytes(const std::string& name) {
  std::ifstream file(data_folder() / name, std::ios::binary);
  const std::vector<char> chars((std::istreambuf_iterator<char>(file)), {});
  const auto bytes = std::as_bytes(std::span(chars));
  return {bytes.begin(), bytes.end()};
}

/// FNV-1a in hexadecimal, as data/make_data.py writes it.
inline std::string fnv(std::span<const std::byte> bytes) {
  std::uint64_t value = 0xCBF29CE484222325ULL;
  for (const std::byte b : bytes) {
    value = (value ^ std::to_integer<std::uint64_t>(b)) * 0x100000001B3ULL;
  }
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4) text += kDigits[value >> shift & 15U];
  return text;
}

inline std::string fnv(const Image& image) { return fnv(std::as_bytes(std::span(image.pixels))); }

/// The images of data/make_data.py: noise for odd seeds, ramps with a little noise for even ones.
inline Image synthetic(std::int64_t width, std::int64_t height, std::int64_t channels,
                       std::uint64_t seed) {
  Image out(width, height, channels);
  std::uint64_t state = seed;
  for (std::int64_t i = 0; i < width * height * channels; ++i) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    auto value = static_cast<std::int64_t>(state >> 56);
    if (seed % 2 == 0) {
      const std::int64_t pixel = i / channels;
      value = 3 * (pixel % width) + 5 * (pixel / width) + 40 * (i % channels) + (value & 15);
    }
    out.pixels[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(value & 255);
  }
  return out;
}

}  // namespace conopa::image::testing
