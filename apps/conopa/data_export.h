#pragma once

#include <cstdint>
#include <filesystem>

#include "conopa/data/dataset.h"

namespace conopa::app {

/// Writes `count` images of a dataset as PNG files named `NUMBER_CLASS.png`, evenly spread over the
/// dataset.
/// @return number of files written.
/// @throws IoError if a file cannot be written.
std::int64_t export_images(const data::Dataset& dataset, std::int64_t count,
                           const std::filesystem::path& folder);

}  // namespace conopa::app
