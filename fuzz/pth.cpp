#include "conopa/io/pth.h"
#include "conopa/core/error.h"
#include "io_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto file = conopa::PthFile::from(conopa::fuzz::input_file(data, size));
    conopa::fuzz::read_small_tensors(*file);
    static_cast<void>(file->root().describe(1000));
  } catch (const conopa::Error&) {  // refusing is right; anything else is a bug
  }
  return 0;
}
