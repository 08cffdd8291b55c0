#pragma once

#include <cstddef>
#include <istream>
#include <string>
#include <vector>

namespace conopa::app {

/// One image to read.
struct ImageInput {
  std::string name;         ///< path, or "-"
  bool from_stdin = false;  ///< the bytes come from standard input
};

struct InputOptions {
  bool lists = false;  ///< inputs are text files of paths, one a line; "-" is standard input
};

/// Turns command-line words into images: files as they are, folders into the image files below
/// them (byte-wise sorted by path, hidden ones left out, linked folders not entered), "-" into
/// standard input.
/// @throws IoError if a folder or list cannot be read, FormatError if one holds no image,
///         UsageError if standard input is named twice. A missing file is found when it is read.
[[nodiscard]] std::vector<ImageInput> collect_images(const std::vector<std::string>& words,
                                                     const InputOptions& options,
                                                     std::istream& standard_input);

/// Everything a stream holds.
/// @throws FormatError if it is empty or exceeds 1 GiB, IoError if reading fails.
[[nodiscard]] std::vector<std::byte> read_stream(std::istream& in);

}  // namespace conopa::app
