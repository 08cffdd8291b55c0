// IDX arrays: whatever the bytes say, the values named by the header are those that are there.

#include <cstddef>
#include <cstdint>
#include <span>

#include "conopa/core/error.h"
#include "conopa/data/idx.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const conopa::data::IdxArray array =
        conopa::data::parse_idx(std::as_bytes(std::span(data, size)), "fuzz");
    std::uint64_t count = 1;
    for (const std::int64_t length : array.shape) count *= static_cast<std::uint64_t>(length);
    CONOPA_ASSERT(count == array.values.size());
    std::uint64_t sum = 0;
    for (const std::byte value : array.values) sum += std::to_integer<std::uint64_t>(value);
    CONOPA_ASSERT(sum <= 255 * count);
  } catch (const conopa::Error&) {
    return 0;  // refused
  }
  return 0;
}
