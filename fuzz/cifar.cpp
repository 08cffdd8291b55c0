// Binary CIFAR files; the first byte chooses between the two formats.

#include <cstddef>
#include <cstdint>
#include <span>

#include "conopa/core/error.h"
#include "conopa/data/cifar.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto kind =
      data[0] % 2 == 0 ? conopa::data::CifarKind::kCifar10 : conopa::data::CifarKind::kCifar100;
  const std::int64_t classes = data[0] % 2 == 0 ? 10 : 100;
  try {
    const conopa::data::CifarRecords records =
        conopa::data::parse_cifar(std::as_bytes(std::span(data + 1, size - 1)), kind, "fuzz");
    CONOPA_ASSERT(records.pixels.size() == records.labels.size() * 3072);
    for (const std::int64_t label : records.labels) CONOPA_ASSERT(label >= 0 && label < classes);
  } catch (const conopa::Error&) {
    return 0;  // refused
  }
  return 0;
}
