#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "conopa/arch/encoder_spec.h"
#include "conopa/arch/tensor_table.h"
#include "conopa/core/dtype.h"
#include "conopa/io/computed.h"
#include "conopa/io/tensor_source.h"
#include "gguf_model.h"
#include "hub_folder.h"

namespace conopa::app {

/// What `conopa import` was asked for.
struct ImportOptions {
  std::filesystem::path checkpoint;
  std::string preset;                 ///< registry name; empty: inferred from names and shapes
  std::vector<std::string> settings;  ///< spec fields, key=value
  std::optional<std::string> key;     ///< dict inside a .pth, keys joined by '/'
  std::filesystem::path head;         ///< second file, with the head's tensors; may be empty
  std::string layers;                 ///< blocks that the head reads, see arch::probe_blocks
  std::uint64_t seed = 0;             ///< of tensors that the checkpoint lacks
};

/// A foreign checkpoint, opened.
struct OpenedCheckpoint {
  std::shared_ptr<const TensorSource> source;
  std::string format;    ///< "PyTorch", "safetensors", ...
  std::string key_path;  ///< dict of a .pth that holds the tensors; "" is the whole file
  /// Scalars of a full training state: "epoch", and "args.NAME" as Python-like text.
  std::vector<std::pair<std::string, std::string>> training;
  /// What a GGUF file of `conopa export` says besides its tensors.
  std::optional<GgufModel> described;
  HubFolder hub;                        ///< texts beside the weights
  bool configured = false;              ///< the Hub's config.json has told sizes
  std::vector<std::string> head_names;  ///< tensors of the second file
};

/// A foreign checkpoint, understood but not yet read.
struct ImportPlan : OpenedCheckpoint {
  arch::EncoderSpec spec;
  std::string scheme;  ///< of the tensor names
  arch::KeyReport keys;
};

/// @throws IoError, FormatError, UnsupportedError as the readers do; FormatError if backbone and
///         head have a tensor in common.
[[nodiscard]] OpenedCheckpoint open_import(const ImportOptions& options);

/// Finds out which model a checkpoint is.
/// @throws FormatError if no family knows the tensors, config.json contradicts them, or backbone
///         and head differ in width; ConfigError if preset or settings do not fit.
[[nodiscard]] ImportPlan plan_import(const ImportOptions& options, OpenedCheckpoint opened);

/// The form that quantised matrices keep: that of a described file, unless `dtype` is given.
[[nodiscard]] std::optional<QuantForm> kept_form(const ImportPlan& plan,
                                                 std::optional<DType> dtype);

/// Tensors by canonical name, their floats as `dtype` (nothing: as they are stored); those that are
/// missing or reshaped get their initial values. Each is made when it is read.
/// @param plan  outlives the tensors.
/// @throws FormatError if nothing fits; when reading, if a value does not fit `dtype` or the file
///         is damaged.
[[nodiscard]] std::vector<ComputedTensor> import_tensors(const ImportPlan& plan,
                                                         std::optional<DType> dtype,
                                                         std::uint64_t seed);

/// The file's own preprocessing at the size of the model, else that of its Hub folder, else the
/// family's.
[[nodiscard]] image::EvalTransformOptions import_transform(const ImportPlan& plan);

}  // namespace conopa::app
