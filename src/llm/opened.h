#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/io/tensor_source.h"
#include "conopa/llm/config.h"
#include "llm/naming.h"

namespace conopa::llm {

/// What every format comes down to: a config, tensors in one or several files, and their names.
struct Opened {
  std::string where;  ///< path for messages
  LmConfig config;    ///< valid
  const Naming* naming = nullptr;
  std::string base;                                  ///< one of naming->bases
  std::vector<std::unique_ptr<TensorSource>> parts;  ///< at least one; several: cut, see Cut

  /// "model.layers.31."
  [[nodiscard]] std::string layer_prefix(std::int64_t index) const;
  /// "final.norm" with its base.
  [[nodiscard]] std::string final_norm() const;
  [[nodiscard]] std::string describe() const;
};

/// @param path  folder with params.json, or one of its consolidated.NN.pth, or another file with
///              Meta's names beside a params.json.
[[nodiscard]] Opened open_meta(const std::filesystem::path& path);
/// @param path  folder with config.json, or a checkpoint file in it.
[[nodiscard]] Opened open_hugging_face(const std::filesystem::path& path);
/// @param path  the file.
[[nodiscard]] Opened open_gguf(const std::filesystem::path& path);

/// Meta's shards in a folder, sorted by name.
[[nodiscard]] std::vector<std::filesystem::path> meta_shards(const std::filesystem::path& folder);
[[nodiscard]] bool is_meta_shard(const std::filesystem::path& path);
/// What a config.json says the model is, if that is one of the readable kinds.
[[nodiscard]] bool is_hugging_face_config(const std::filesystem::path& config_json);
/// Whether a file is GGUF of a readable architecture.
[[nodiscard]] bool is_language_gguf(const std::filesystem::path& path);

/// Finds the base that the names of a source have.
/// @throws FormatError if the source has no tensors of layers.
[[nodiscard]] std::string find_base(const Naming& naming, const TensorSource& source);

/// Tensors of one layer.
[[nodiscard]] LmTensors read_layer(const Opened& opened, std::int64_t index,
                                   const LayerOptions& options);
[[nodiscard]] LmTensors read_final_norm(const Opened& opened, std::optional<DType> dtype);

}  // namespace conopa::llm
