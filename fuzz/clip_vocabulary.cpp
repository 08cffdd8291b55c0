// CLIP's vocabulary files: lists of merges and tokenizer.json; what opens must encode.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "conopa/core/error.h"
#include "conopa/text/clip_tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using conopa::text::ClipTokenizer;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto& open : {&ClipTokenizer::from_merges, &ClipTokenizer::from_tokenizer_json}) {
    try {
      (void)open(text, "fuzz")->encode(text);
    } catch (const conopa::Error&) {  // refusing is right
    }
  }
  return 0;
}
