#pragma once

#include <filesystem>
#include <span>

#include "conopa/io/tensor_source.h"

namespace conopa {

/// Writes a dict of tensors as `torch.save` of PyTorch 1.6 and later does (zip with a pickle), so
/// that `torch.load`, with weights_only too, and PthFile read it. The bytes depend on names and
/// content alone; the file appears atomically.
///
/// @param tensors  in the order of the dict; every tensor gets a storage of its own.
/// @throws FormatError on a name that is used twice, IoError if the file cannot be written.
void write_pth(const std::filesystem::path& path, std::span<const NamedTensor> tensors);

}  // namespace conopa
