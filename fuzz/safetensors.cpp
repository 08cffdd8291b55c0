#include "conopa/io/safetensors.h"
#include "conopa/core/error.h"
#include "conopa/io/quantised.h"
#include "io_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto source =
        conopa::with_quantised(conopa::SafetensorsFile::from(conopa::fuzz::input_file(data, size)));
    conopa::fuzz::read_small_tensors(*source);
  } catch (const conopa::Error&) {  // refusing is right; anything else is a bug
  }
  return 0;
}
