#include "conopa/io/pickle.h"
#include "conopa/core/error.h"
#include "io_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto file = conopa::fuzz::input_file(data, size);
    const conopa::PickleLimits limits{.max_values = 100'000, .max_stack = 10'000};
    const conopa::PickleValue root = conopa::parse_pickle(file->bytes(), "input", limits).root;
    static_cast<void>(root.describe(1000));
    static_cast<void>(root.find("model"));
    static_cast<void>(root.find(7));
  } catch (const conopa::Error&) {  // refusing is right; anything else is a bug
  }
  return 0;
}
