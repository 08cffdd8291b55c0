#include "conopa/io/gzip.h"
#include "conopa/core/error.h"
#include "io_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::int64_t kLimit = 1 << 20;
  try {
    const auto file = conopa::fuzz::input_file(data, size);
    static_cast<void>(conopa::possibly_gunzip(file->bytes(), "input", kLimit));
  } catch (const conopa::Error&) {  // refusing is right; anything else is a bug
  }
  return 0;
}
