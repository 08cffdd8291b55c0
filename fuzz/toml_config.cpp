// Recipes: parse, override, read into a struct; what was read must survive a round trip.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/core/config.h"
#include "conopa/core/error.h"
#include "conopa/core/fields_json.h"
#include "tests/core/sample_options.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  // What follows a zero byte is an override.
  std::vector<std::string> overrides;
  const std::size_t zero = text.find('\0');
  if (zero != std::string_view::npos) {
    overrides.emplace_back(text.substr(zero + 1));
    text = text.substr(0, zero);
  }
  conopa::testing::SampleRecipe recipe;
  try {
    conopa::Config::parse(text, "fuzz.toml", overrides).read(recipe);
  } catch (const conopa::ConfigError&) {
    return 0;
  }
  const std::string written = conopa::to_toml(recipe);
  conopa::testing::SampleRecipe again;
  conopa::Config::parse(written, "written.toml").read(again);  // must not throw
  if (conopa::to_toml(again) != written) __builtin_trap();
  return 0;
}
