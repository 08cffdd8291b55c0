#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "conopa/core/config.h"

namespace conopa::app {

/// Applies `key=value` words of a repeatable option to a struct.
/// @param option  as typed, for messages ("--set").
/// @throws ConfigError for a word of another form, an unknown key (with the nearest name) or a
///         wrong value.
template <Visitable Options>
void apply_settings(Options& options, const std::vector<std::string>& settings,
                    std::string_view option) {
  Config config = Config::parse("", option, settings);
  config.read(options);
}

/// Whether one of the words sets `key`.
[[nodiscard]] inline bool sets_key(const std::vector<std::string>& settings, std::string_view key) {
  return Config::parse("", "settings", settings).has(key);
}

}  // namespace conopa::app
