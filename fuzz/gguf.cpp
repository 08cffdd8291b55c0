#include "conopa/io/gguf.h"

#include "conopa/core/error.h"
#include "io_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    conopa::fuzz::read_small_tensors(*conopa::GgufFile::from(conopa::fuzz::input_file(data, size)));
  } catch (const conopa::Error&) {  // refusing is right; anything else is a bug
  }
  return 0;
}
