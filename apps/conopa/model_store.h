#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "conopa/engine/stored_model.h"

namespace conopa::app {

using engine::check_weights;
using engine::class_name;
using engine::default_transform;
using engine::index_of;
using engine::open_model;
using engine::read_resized;
using engine::resized_transform;
using engine::stored_class_names;
using engine::StoredModel;
using engine::weight_metadata;

/// Reads class names, one a line.
[[nodiscard]] std::vector<std::string> read_class_names(const std::filesystem::path& path);

/// What to write as a new model folder; see StoredModel for the fields.
struct NewModel {
  arch::EncoderSpec spec;
  image::EvalTransformOptions transform;
  std::vector<std::string> class_names;
  std::vector<NamedTensor> tensors;             ///< canonical names
  std::optional<QuantForm> weight_format = {};  ///< of matrices among them, see io/quantised.h
  std::string readme;
  const TensorSource* source = nullptr;  ///< in place of `tensors`: read one at a time
  std::int64_t max_shard_bytes = kDefaultShardBytes;
};

/// Refuses a target that save_model would refuse, before any work is done.
/// @throws IoError if a file is there, or a folder with content and `overwrite` is false.
void check_output_folder(const std::filesystem::path& path, bool overwrite);

/// Writes a model folder, all or nothing; class names go into the metadata of the weights.
/// @throws IoError as check_output_folder, and if it cannot be written.
void save_model(const std::filesystem::path& path, const NewModel& model, bool overwrite);

}  // namespace conopa::app
