// JSON configs: read strictly and as a foreign file; what was read must survive a round trip.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/core/error.h"
#include "conopa/core/fields_json.h"
#include "tests/core/sample_options.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  conopa::testing::SampleRecipe recipe;
  try {
    conopa::testing::SampleRecipe foreign;
    std::vector<std::string> unknown;
    conopa::from_json(text, "fuzz.json", foreign, &unknown);
    conopa::from_json(text, "fuzz.json", recipe);
    if (!unknown.empty()) __builtin_trap();  // strict reading must refuse what the other collects
  } catch (const conopa::ConfigError&) {
    return 0;
  }
  const std::string written = conopa::to_json(recipe);
  conopa::testing::SampleRecipe again;
  conopa::from_json(written, "written.json", again);  // must not throw
  if (conopa::to_json(again) != written) __builtin_trap();
  return 0;
}
