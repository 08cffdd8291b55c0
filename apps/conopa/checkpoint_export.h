#pragma once

#include <cstddef>
#include <filesystem>
#include <string_view>
#include <vector>

#include "conopa/io/tensor_source.h"
#include "model_store.h"

namespace conopa::app {

/// A model's tensors under the names of other software; those that it keeps in one tensor are
/// joined by rows. Values and element types stay, nothing is converted.
/// @param scheme  of the model's family, see arch::export_scheme.
/// @throws FormatError if the weights do not fit the spec, or parts of one tensor differ in type.
/// @complexity views of the model's file; joined tensors are copied.
[[nodiscard]] std::vector<NamedTensor> foreign_tensors(const StoredModel& model,
                                                       std::string_view scheme);

/// Writes foreign_tensors as a safetensors file, atomically; class names go into its metadata.
/// @return how many tensors were written.
/// @throws FormatError as foreign_tensors, IoError if the file cannot be written.
std::size_t export_safetensors(const StoredModel& model, std::string_view scheme,
                               const std::filesystem::path& path);

}  // namespace conopa::app
