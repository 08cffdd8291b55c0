#include "image_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  conopa::image::decode_hostile_as("\xff\xd8\xff", data, size);
  return 0;
}
