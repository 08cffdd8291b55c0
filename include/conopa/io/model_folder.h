#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "conopa/io/sharded.h"
#include "conopa/io/tensor_source.h"

namespace conopa {

/// What goes into a model folder, the exchange form of a model.
struct ModelFolderContent {
  std::string config_json = {};        ///< config.json: the model's description
  std::string preprocessor_json = {};  ///< preprocessor_config.json: resize, crop, mean, std
  std::string readme = {};             ///< README.md: the model card
  std::string language_json = {};      ///< llm.json: where a language block that is left out lies
  std::span<const NamedTensor> tensors = {};
  const TensorSource* source = nullptr;  ///< in place of `tensors`: read one at a time
  Metadata metadata = {};                ///< of the weight files
};

struct ModelFolderOptions {
  bool overwrite = false;  ///< replace an existing model folder
  std::int64_t max_shard_bytes = kDefaultShardBytes;
};

/// Writes `config.json`, `preprocessor_config.json`, `README.md` and `model.safetensors` (or shards
/// and their index) as one folder that appears under its name only when complete. Empty texts are
/// left out; an empty folder of that name is filled without `overwrite`.
///
/// @throws ConfigError if a text is not a JSON object; IoError if the folder exists and `overwrite`
/// is not set, holds anything but a model (it is then never replaced), or cannot be written.
void write_model_folder(const std::filesystem::path& path, const ModelFolderContent& content,
                        const ModelFolderOptions& options = {});

/// A model folder, opened.
struct ModelFolder {
  std::string config_json;
  std::optional<std::string> preprocessor_json;
  std::optional<std::string> readme;
  std::unique_ptr<TensorSource> weights;
};

/// Opens a model folder; the weights stay on disk until read.
/// @throws IoError naming what is missing (folder, config.json, weights); FormatError if a JSON
/// file is no object or the weights are damaged.
[[nodiscard]] ModelFolder open_model_folder(const std::filesystem::path& path);

}  // namespace conopa
