#pragma once

#include <filesystem>
#include <string_view>

#include "conopa/points/cloud_set.h"

namespace conopa::points {

/// The file of a split below a folder: `training_objectdataset.h5` for "train",
/// `test_objectdataset.h5` for "test"; with a variant `..._objectdataset_VARIANT.h5`.
///
/// The published sets are the folders main_split (with background) and main_split_nobg (objects
/// only); the hardest one is variant `augmentedrot_scale75`.
/// @throws ConfigError for another split.
[[nodiscard]] std::filesystem::path scan_object_file(const std::filesystem::path& folder,
                                                     std::string_view split,
                                                     std::string_view variant = {});

/// Reads a file in the form of ScanObjectNN: datasets `data` [N, P, 3], floating point, and `label`
/// [N] or [N, 1], integers. Coordinates stay as they are.
///
/// Class names are the lines of `shape_names.txt` beside the file if there is one, else numbers up
/// to the largest label.
/// @throws IoError, FormatError, ShapeError naming file and cloud: other shapes or types, numbers
///         that are not finite, labels without a name; UnsupportedError in a build without libhdf5.
/// @source Uy et al., ScanObjectNN (arXiv 1908.04616).
[[nodiscard]] CloudSet read_scan_object(const std::filesystem::path& file);

/// Writes such a file, atomically; not the names.
void write_scan_object(const std::filesystem::path& file, const CloudSet& set);

}  // namespace conopa::points
