#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/io/tensor_source.h"

namespace conopa {

/// One tensor as the header of a safetensors file describes it.
struct SafetensorsEntry {
  std::string name;
  TensorInfo info;
  std::int64_t begin = 0;  ///< first byte, from the start of the data
  std::int64_t end = 0;
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  ///< in the order of their data
  Metadata metadata;
};

/// Parses and checks the JSON header of a safetensors file.
///
/// @param text        the JSON, at most kMaxHeaderBytes.
/// @param data_bytes  size of the data section, which the tensors must tile exactly.
/// @param where       file name for messages.
/// @throws FormatError on any violation of the format.
[[nodiscard]] SafetensorsHeader parse_safetensors_header(std::string_view text,
                                                         std::int64_t data_bytes,
                                                         std::string_view where);

/// Limit of the format.
inline constexpr std::int64_t kMaxHeaderBytes = 100'000'000;
/// Key of the free strings.
inline constexpr std::string_view kMetadataKey = "__metadata__";

}  // namespace conopa
