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
#include "conopa/io/tensor_source.h"
#include "gguf_model.h"

namespace conopa::app {

/// What `conopa import` was asked for.
struct ImportOptions {
  std::filesystem::path checkpoint;
  std::string preset;                 ///< registry name; empty: inferred from names and shapes
  std::vector<std::string> settings;  ///< spec fields, key=value
  std::optional<std::string> key;     ///< dict inside a .pth, keys joined by '/'
  std::uint64_t seed = 0;             ///< of tensors that the checkpoint lacks
};

/// A foreign checkpoint, understood but not yet read.
struct ImportPlan {
  std::unique_ptr<TensorSource> source;
  std::string format;    ///< "PyTorch", "safetensors", ...
  std::string key_path;  ///< dict of a .pth that holds the tensors; "" is the whole file
  arch::EncoderSpec spec;
  std::string scheme;  ///< of the tensor names
  arch::KeyReport keys;
  /// Scalars of a full training state: "epoch", and "args.NAME" as Python-like text.
  std::vector<std::pair<std::string, std::string>> training;
  /// What a GGUF file of `conopa export` says besides its tensors.
  std::optional<GgufModel> described;
};

/// Opens a checkpoint and finds out which model it is.
/// @throws IoError, FormatError, UnsupportedError as the readers do; FormatError if no family knows
///         the tensors, ConfigError if preset or settings do not fit.
[[nodiscard]] ImportPlan plan_import(const ImportOptions& options);

/// The form that quantised matrices keep: that of a described file, unless `dtype` is given.
[[nodiscard]] std::optional<QuantForm> kept_form(const ImportPlan& plan,
                                                 std::optional<DType> dtype);

/// Tensors by canonical name, their floats as `dtype` (nothing: as they are stored); those that are
/// missing or reshaped get their initial values.
/// @throws FormatError if nothing fits, a value does not fit `dtype` or the file is damaged.
[[nodiscard]] std::vector<NamedTensor> import_tensors(const ImportPlan& plan,
                                                      std::optional<DType> dtype,
                                                      std::uint64_t seed);

}  // namespace conopa::app
