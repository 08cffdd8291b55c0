#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "conopa/data/class_names.h"
#include "conopa/data/dataset.h"

namespace conopa::data {

/// Whether a file name ends like an image that can be decoded (.jpg .jpeg .png .webp .ppm .pgm .pbm
/// .pnm, any case).
[[nodiscard]] bool has_image_extension(const std::filesystem::path& path);

/// Opens `root/SPLIT/CLASS/**/image`, or `root/CLASS/...` for the split `all`.
///
/// Classes are the folders of `root/train` if that exists (so that an incomplete evaluation split
/// cannot shift the numbers), else of the split itself; class index = place of the folder's name in
/// byte-wise order. `root/classes.txt` may name them: either one line per class, "FOLDER" or
/// "FOLDER name", which then also gives the order, or display names in folder order. Files are
/// sorted byte-wise by path; hidden ones and those without an image's extension are ignored;
/// symbolic links are followed.
/// @throws IoError if the split is missing (naming those that exist), FormatError for a class
/// folder
///   without images, or a folder in an evaluation split that is no class of training.
/// @complexity one directory walk; images are not opened.
[[nodiscard]] std::unique_ptr<Dataset> open_image_folder(const std::filesystem::path& root,
                                                         std::string_view split,
                                                         const ClassOptions& classes = {});

}  // namespace conopa::data
