#pragma once

#include <cstddef>
#include <filesystem>
#include <string_view>
#include <vector>

#include "conopa/io/computed.h"
#include "conopa/io/tensor_source.h"
#include "model_store.h"
#include "pair_folder.h"

namespace conopa::app {

/// Which tensors of a model to write.
enum class ModelPart { kAll, kBackbone, kHead };

/// A model's tensors under the names of other software, sorted by name; those that it keeps in one
/// tensor are joined by rows. Values and element types stay, nothing is converted. Tensors that
/// such files hold though the spec tells them (fixed positions) are made. Each is read when asked
/// for.
/// @param model   outlives the tensors.
/// @param scheme  of the model's family, see arch::export_scheme.
/// @throws FormatError if the weights do not fit the spec, or parts of one tensor differ in type;
///         UnsupportedError for a head that the model does not have.
[[nodiscard]] std::vector<ComputedTensor> foreign_tensors(const StoredModel& model,
                                                          std::string_view scheme,
                                                          ModelPart part = ModelPart::kAll);

/// Writes foreign_tensors as a safetensors file, atomically; class names go into its metadata.
/// @return how many tensors were written.
/// @throws FormatError as foreign_tensors, IoError if the file cannot be written.
std::size_t export_safetensors(const StoredModel& model, std::string_view scheme, ModelPart part,
                               const std::filesystem::path& path);

/// Writes both towers of a pair and their factor as one safetensors file.
/// @param scheme  a scheme with arch::NamingScheme::pair_scale, of both families.
/// @return how many tensors were written.
/// @throws as export_safetensors; UnsupportedError if the scheme holds no pairs.
std::size_t export_pair(const PairFolder& pair, const StoredModel& image, const StoredModel& text,
                        std::string_view scheme, const std::filesystem::path& path);

}  // namespace conopa::app
