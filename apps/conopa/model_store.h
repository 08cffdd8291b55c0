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

namespace conopa::app {

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

/// Evaluation transform of the released models: short side / 0.875 bicubic (bilinear for linear
/// probes) and a centre crop (256 to 224), from the family's side on squashed to the size; ImageNet
/// mean and std (0.5 for gray input).
/// @throws ConfigError for an unknown family.
/// @source released evaluation code of iLLaMA (arXiv 2404.06773), VisionLLaMA (arXiv 2403.00522).
[[nodiscard]] image::EvalTransformOptions default_transform(const arch::EncoderSpec& spec);

/// Names and shapes of a source.
[[nodiscard]] arch::TensorIndex index_of(const TensorSource& source);

/// Metadata of a weight file: its format and the class names, if there are any.
[[nodiscard]] Metadata weight_metadata(const std::vector<std::string>& class_names);

/// Class names in the metadata of a weight file; empty if there are none.
/// @throws FormatError if they are not a JSON list of strings.
[[nodiscard]] std::vector<std::string> stored_class_names(const TensorSource& weights);

/// Reads class names, one a line.
[[nodiscard]] std::vector<std::string> read_class_names(const std::filesystem::path& path);

/// Class name, or the number where there are no names.
[[nodiscard]] std::string class_name(const std::vector<std::string>& names, std::int64_t index);

/// What to write as a new model folder; see StoredModel for the fields.
struct NewModel {
  arch::EncoderSpec spec;
  image::EvalTransformOptions transform;
  std::vector<std::string> class_names;
  std::vector<NamedTensor> tensors;  ///< canonical names
  std::string readme;
};

/// Refuses a target that save_model would refuse, before any work is done.
/// @throws IoError if a file is there, or a folder with content and `overwrite` is false.
void check_output_folder(const std::filesystem::path& path, bool overwrite);

/// Writes a model folder, all or nothing; class names go into the metadata of the weights.
/// @throws IoError as check_output_folder, and if it cannot be written.
void save_model(const std::filesystem::path& path, const NewModel& model, bool overwrite);

}  // namespace conopa::app
