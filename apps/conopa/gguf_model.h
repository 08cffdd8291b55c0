#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "conopa/core/dtype.h"
#include "conopa/io/gguf.h"
#include "model_store.h"

namespace conopa::app {

/// Writes a model as a GGUF file of the architecture `conopa`, atomically: the spec's fields as
/// `conopa.*`, those of the preprocessing as `preprocessor.*`, class names as `classes.names`, and
/// the tensors under canonical names, quantised matrices as they are stored.
///
/// @param dtype  of the floating-point tensors; nothing: as they are.
/// @return how many tensors were written.
/// @throws FormatError if the weights do not fit the spec or a value does not fit `dtype`,
///         UnsupportedError for an element type that GGUF lacks, IoError if it cannot be written.
/// @complexity one tensor in memory at a time.
std::size_t export_gguf(const StoredModel& model, std::optional<DType> dtype,
                        const std::filesystem::path& path);

/// What the metadata of such a file says; the tensors are read from the file itself.
struct GgufModel {
  arch::EncoderSpec spec;  ///< resolved
  image::EvalTransformOptions transform;
  std::vector<std::string> class_names;
};

/// Reads what export_gguf wrote; nothing if the file is of another architecture.
/// @throws ConfigError, FormatError naming the file if the metadata is damaged.
[[nodiscard]] std::optional<GgufModel> read_gguf_model(const TensorSource& source);

/// Appends what makes a file self-describing: spec, preprocessing and class names.
void append_model_entries(GgufEntries& out, const StoredModel& model);

}  // namespace conopa::app
