#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string_view>

#include "model_store.h"

namespace conopa::app {

/// What an ONNX export wrote.
struct OnnxFile {
  std::size_t tensors = 0;
  std::int64_t bytes = 0;           ///< of both files
  std::filesystem::path data_file;  ///< second file with the tensors of a large model, or empty
};

/// Writes a model as an ONNX file. Its metadata hold the spec ("config"), the preprocessing
/// ("preprocessor"), both as in the model folder, and the class names ("class_names", a JSON list).
/// @param precision  "fp32", "int8" or "" (fp32), see onnx::Precision.
/// @throws FormatError if the weights do not fit the spec, UnsupportedError as
///         onnx::encoder_model, IoError if a file cannot be written.
OnnxFile export_onnx(const StoredModel& model, std::string_view precision,
                     const std::filesystem::path& path);

}  // namespace conopa::app
