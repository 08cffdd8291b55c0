// HDF5 in a build without libhdf5.

#include "conopa/core/error.h"
#include "points/hdf5.h"

namespace conopa::points {
namespace {

[[noreturn]] void refuse(const std::filesystem::path& path) {
  throw UnsupportedError(path.string(),
                         "this build has no HDF5; build it where pkg-config finds hdf5 "
                         "(Debian: libhdf5-dev)");
}

}  // namespace

HostTensor read_hdf5(const std::filesystem::path& path, std::string_view /*dataset*/,
                     Hdf5Numbers /*numbers*/) {
  refuse(path);
}

void write_hdf5(const std::filesystem::path& path, std::span<const NamedTensor> /*datasets*/) {
  refuse(path);
}

}  // namespace conopa::points
