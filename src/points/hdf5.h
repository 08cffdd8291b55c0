#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

#include "conopa/core/host_tensor.h"
#include "conopa/io/tensor_source.h"

namespace conopa::points {

/// What numbers a dataset of an HDF5 file must hold.
enum class Hdf5Numbers : std::uint8_t {
  kReal,    ///< floating point; read as float32
  kInteger  ///< read as int64
};

/// Reads a dataset of an HDF5 file as a whole.
///
/// Allocates at most what the stored bytes can expand to. One call at a time: libhdf5 keeps global
/// state; calls from several threads wait for each other.
/// @throws IoError if the file is missing, FormatError if it is no HDF5 file, lacks the dataset,
///         or that holds other numbers or none; UnsupportedError in a build without libhdf5.
[[nodiscard]] HostTensor read_hdf5(const std::filesystem::path& path, std::string_view dataset,
                                   Hdf5Numbers numbers);

/// Writes float32 and int64 tensors as datasets of an HDF5 file, atomically; the bytes depend on
/// content alone. The whole file is built in memory.
/// @throws IoError if it cannot be written, UnsupportedError in a build without libhdf5.
void write_hdf5(const std::filesystem::path& path, std::span<const NamedTensor> datasets);

}  // namespace conopa::points
