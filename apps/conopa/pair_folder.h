#pragma once

#include <filesystem>
#include <string>

namespace conopa::app {

/// An image and a text model that put their outputs into one space: a folder with `pair.json` and
/// two ordinary model folders.
struct PairFolder {
  std::filesystem::path path;
  double logit_scale = 0.0;  ///< logarithm of the factor of cosine similarities
  std::string image = "image";
  std::string text = "text";

  [[nodiscard]] std::filesystem::path image_path() const { return path / image; }
  [[nodiscard]] std::filesystem::path text_path() const { return path / text; }
};

/// Whether a folder is a pair.
[[nodiscard]] bool is_pair_folder(const std::filesystem::path& path);

/// Reads `pair.json`.
/// @throws IoError if there is none, FormatError if it is damaged or leads out of the folder.
[[nodiscard]] PairFolder read_pair_folder(const std::filesystem::path& path);

/// Writes `pair.json`, atomically; the models are there already.
/// @throws IoError if it cannot be written.
void write_pair_file(const PairFolder& pair);

/// Refuses a folder that holds anything but a pair, before any work is done, and takes the
/// `pair.json` of a pair that is replaced away, so that no half-replaced one can be read.
/// @throws IoError if a file is there, or a folder with content and `overwrite` is false or it is
///         no pair.
void prepare_pair_folder(const std::filesystem::path& path, bool overwrite);

}  // namespace conopa::app
