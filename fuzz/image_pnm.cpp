#include "image_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  conopa::image::decode_hostile_as("P", data, size);
  return 0;
}
