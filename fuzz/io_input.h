#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "conopa/io/mapped_file.h"
#include "conopa/io/tensor_source.h"

namespace conopa::fuzz {

/// The fuzzer's bytes as a file.
inline std::shared_ptr<const MappedFile> input_file(const std::uint8_t* data, std::size_t size) {
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  return MappedFile::in_memory("input", {bytes, bytes + size});
}

/// Reads what a source offers, except for tensors so large that only their size would be tested.
inline void read_small_tensors(const TensorSource& source) {
  constexpr std::int64_t kMost = 1 << 20;
  for (const std::string& name : source.names()) {
    const TensorInfo& info = source.info(name);
    if (!info.dtype || element_count(info.shape) > kMost) continue;
    volatile double sink = 0;
    for (const double value : source.read(name).to_f64()) sink = sink + value;
  }
}

}  // namespace conopa::fuzz
