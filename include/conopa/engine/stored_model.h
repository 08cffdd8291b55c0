#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "conopa/arch/encoder_spec.h"
#include "conopa/arch/tensor_table.h"
#include "conopa/image/transform.h"
#include "conopa/io/model_folder.h"

namespace conopa::engine {

/// A model folder with its texts parsed.
struct StoredModel {
  std::filesystem::path path;
  arch::EncoderSpec spec;                 ///< resolved
  image::EvalTransformOptions transform;  ///< from preprocessor_config.json, or the spec's size
  std::vector<std::string> class_names;   ///< may be empty
  std::unique_ptr<TensorSource> weights;  ///< canonical names
};

/// Opens a model folder; a run folder stands for its model/ and a checkpoint folder for itself.
/// @throws IoError, FormatError, ConfigError naming the file.
[[nodiscard]] StoredModel open_model(const std::filesystem::path& path);

/// Refuses weights that lack a tensor of the spec or shape one differently.
/// @throws FormatError naming them.
void check_weights(const StoredModel& model);

/// Evaluation transform of the released models: the family's, else short side / 0.875 bicubic
/// (bilinear for linear probes) and a centre crop (256 to 224), from the family's side on squashed
/// to the size; ImageNet mean and std (0.5 for gray input).
/// @throws ConfigError for an unknown family.
/// @source released evaluation code of iLLaMA (arXiv 2404.06773), VisionLLaMA (arXiv 2403.00522).
[[nodiscard]] image::EvalTransformOptions default_transform(const arch::EncoderSpec& spec);

/// The same preprocessing for the input of another spec: mode, crop share and interpolation stay, a
/// stated resize grows with the shorter side.
/// @param from  spec that `transform` belongs to.
[[nodiscard]] image::EvalTransformOptions resized_transform(
    const image::EvalTransformOptions& transform, const arch::EncoderSpec& from,
    const arch::EncoderSpec& to);

/// Reads a tensor of a model as a model of `to` has it: a learned position embedding is
/// interpolated to the grid of `to` (then float32), all others are as stored.
/// @param from  spec that the weights belong to.
/// @throws ShapeError as arch::resize_position, FormatError if the name is missing.
[[nodiscard]] HostTensor read_resized(const TensorSource& weights, const arch::EncoderSpec& from,
                                      const arch::EncoderSpec& to, const std::string& name);

/// Names and shapes of a source.
[[nodiscard]] arch::TensorIndex index_of(const TensorSource& source);

/// Metadata of a weight file: its format and the class names, if there are any.
[[nodiscard]] Metadata weight_metadata(const std::vector<std::string>& class_names);

/// Class names in the metadata of a weight file; empty if there are none.
/// @throws FormatError if they are not a JSON list of strings.
[[nodiscard]] std::vector<std::string> stored_class_names(const TensorSource& weights);

/// Class name, or the number where there are no names.
[[nodiscard]] std::string class_name(const std::vector<std::string>& names, std::int64_t index);

}  // namespace conopa::engine
