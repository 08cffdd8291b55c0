#pragma once

#include <filesystem>
#include <memory>

#include "conopa/io/pth.h"
#include "conopa/io/tensor_source.h"

namespace conopa {

/// open_checkpoint, but quantised matrices appear as the tensors that hold them. Shards are opened
/// so: a matrix and its scales may lie in two of them.
[[nodiscard]] std::unique_ptr<TensorSource> open_stored(const std::filesystem::path& path,
                                                        const PthOptions& options = {});

}  // namespace conopa
