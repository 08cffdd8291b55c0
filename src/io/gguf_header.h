#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/io/gguf.h"
#include "io/byte_reader.h"

namespace conopa {

/// One tensor as the header of a GGUF file describes it.
struct GgufTensorEntry {
  std::string name;
  std::uint32_t type = 0;
  Shape shape;               ///< row-major, logical
  std::uint64_t offset = 0;  ///< from the start of the data
};

struct GgufHeader {
  GgufEntries entries;
  std::vector<GgufTensorEntry> tensors;
  std::int64_t alignment = 32;
};

inline constexpr std::string_view kGgufMagic = "GGUF";
inline constexpr std::string_view kGgufAlignmentKey = "general.alignment";
inline constexpr std::int64_t kGgufAlignment = 32;  ///< of files without that key
inline constexpr std::size_t kMaxGgufDims = 4;
inline constexpr std::size_t kMaxGgufKey = 65535;

/// Reads the header and leaves the reader at its end, before the padding.
/// @throws FormatError on any violation of the format, UnsupportedError for another version.
[[nodiscard]] GgufHeader read_gguf_header(ByteReader& reader);

/// Smallest multiple of `alignment` that is not below `value`.
[[nodiscard]] constexpr std::int64_t gguf_aligned(std::int64_t value, std::int64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

}  // namespace conopa
