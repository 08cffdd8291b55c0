#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "conopa/io/pth.h"
#include "conopa/io/tensor_source.h"

namespace conopa {

enum class CheckpointKind { kSafetensors, kShardIndex, kPthZip, kPthLegacy, kNpy, kNpz, kGguf };

/// What a file is, judged by its content and not by its name.
/// @throws IoError if it cannot be read, FormatError or UnsupportedError (with a hint such as "this
/// is a Git LFS pointer") if it is none of the kinds.
[[nodiscard]] CheckpointKind recognise_checkpoint(const MappedFile& file);

/// Opens any checkpoint: a file of a known kind, or a folder that holds one (`model.safetensors`,
/// an index, `pytorch_model.bin`, or else its only checkpoint file). Quantised matrices read as
/// float32, see quantised.h.
///
/// @param options  used where the file is a `.pth`.
/// @throws IoError, FormatError, UnsupportedError as the readers do; FormatError if a folder holds
/// no or several candidates.
[[nodiscard]] std::unique_ptr<TensorSource> open_checkpoint(const std::filesystem::path& path,
                                                            const PthOptions& options = {});

}  // namespace conopa
