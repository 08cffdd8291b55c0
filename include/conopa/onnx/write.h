#pragma once

#include <cstdint>
#include <filesystem>

#include "conopa/onnx/model.h"

namespace conopa::onnx {

struct WriteOptions {
  /// Tensors go to a second file if those of the model exceed this together: readers refuse
  /// protobuf messages of 2 GiB.
  std::int64_t max_inline_bytes = 1'900'000'000;
};

/// What was written.
struct WriteResult {
  std::filesystem::path data_file;  ///< second file with the tensors; empty: all in one
  std::int64_t bytes = 0;           ///< of both
};

/// Writes a model as an ONNX file, atomically, and beside it "<file name>.data" with the tensors of
/// at least 1 KiB if they are too large for one message. The data file is complete before the model
/// appears; its tensors start at multiples of 4096 bytes, so that readers can map them.
///
/// @throws IoError if a file cannot be written; whatever an initializer's load() throws.
/// @complexity Holds the nodes and one tensor in memory at a time.
WriteResult write_model(const std::filesystem::path& path, const Model& model,
                        const WriteOptions& options = {});

}  // namespace conopa::onnx
