#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

#include "conopa/points/cloud_set.h"

namespace conopa::points {

/// Points and labels of a cache file whose fingerprint is the one asked for; nothing if there is
/// none, it belongs to other data or is damaged (a warning tells). Names are left empty.
[[nodiscard]] std::optional<CloudSet> load_fps_cache(const std::filesystem::path& path,
                                                     std::string_view fingerprint);

/// Writes points and labels; a folder that cannot be written costs a warning.
void save_fps_cache(const std::filesystem::path& path, const CloudSet& set,
                    std::string_view fingerprint);

}  // namespace conopa::points
