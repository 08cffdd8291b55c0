#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "conopa/io/tensor_source.h"

namespace conopa {

/// The head of a `.npy` array.
struct NpyHeader {
  TensorInfo info;
  std::int64_t element_bytes = 0;  ///< 0 for types that cannot be read
  bool fortran_order = false;
  std::int64_t data_offset = 0;
};

/// Longest head that is accepted; plain arrays need about 128 bytes.
inline constexpr std::int64_t kMaxNpyHeader = 64 << 10;

/// Parses the head of an array.
/// @param head  its first bytes, kMaxNpyHeader or all of them.
/// @throws FormatError if it is damaged.
[[nodiscard]] NpyHeader parse_npy_header(std::span<const std::byte> head, std::string_view where);

}  // namespace conopa
