#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "conopa/data/class_names.h"
#include "conopa/data/dataset.h"

namespace conopa::data {

/// An array of unsigned bytes in the IDX format of MNIST.
struct IdxArray {
  std::vector<std::int64_t> shape;
  std::span<const std::byte> values;  ///< inside the bytes that were parsed
};

/// Reads an IDX header and checks that the values are exactly as many as it says.
///
/// Layout: two zero bytes, type (8 = unsigned byte, the only one images come in), rank, then one
/// big-endian u32 per dimension, then the values.
/// @param where for messages.
/// @throws FormatError for another magic, type or length.
[[nodiscard]] IdxArray parse_idx(std::span<const std::byte> bytes, std::string_view where);

/// Opens one split of an MNIST-like folder: `SPLIT-images-idx3-ubyte` and
/// `SPLIT-labels-idx1-ubyte`, also as `.idx3-ubyte`, with a prefix (`emnist-letters-train-...`), or
/// rank 4 for colour
/// ([N, H, W, 1 or 3]); each plain or `.gz`. The split `test` is also found as `t10k`.
///
/// Class names come from the options or from `classes.txt` in the folder. Without either the
/// training labels, if present, say how many classes there are.
/// @throws IoError if files are missing, FormatError if they are damaged, their counts differ or a
///   label is out of range.
/// @complexity reads the whole split into memory (H·W·C bytes per image).
[[nodiscard]] std::unique_ptr<Dataset> open_idx(const std::filesystem::path& folder,
                                                std::string_view split,
                                                const ClassOptions& classes = {});

}  // namespace conopa::data
