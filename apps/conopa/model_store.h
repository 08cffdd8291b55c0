#pragma once

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

/// Names and shapes of a source.
[[nodiscard]] arch::TensorIndex index_of(const TensorSource& source);

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

/// Writes a model folder.
void save_model(const std::filesystem::path& path, const NewModel& model, bool overwrite);

}  // namespace conopa::app
