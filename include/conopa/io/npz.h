#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "conopa/io/mapped_file.h"
#include "conopa/io/tensor_source.h"
#include "conopa/io/zip_reader.h"

namespace conopa {

/// Arrays of a NumPy `.npz` archive, or the single array of a `.npy` file (named "array").
///
/// Little-endian plain arrays of the types in DType; two-byte void arrays are taken as bfloat16, as
/// JAX writes them. Other element types are listed, and reading one throws UnsupportedError.
/// Fortran order is undone when reading. Pickled object arrays are never unpickled.
/// @source NumPy Enhancement Proposal 1.
class NumpyFile : public TensorSource {
 public:
  /// @throws IoError if the file cannot be read, FormatError if it is damaged.
  [[nodiscard]] static std::unique_ptr<NumpyFile> open(const std::filesystem::path& path);
  [[nodiscard]] static std::unique_ptr<NumpyFile> from(std::shared_ptr<const MappedFile> file);

 protected:
  [[nodiscard]] HostTensor load(std::size_t index) const override;

 private:
  struct Array {
    const ZipEntry* entry;     // null for a .npy file
    std::int64_t data_offset;  // after the header
    bool fortran_order;
  };
  explicit NumpyFile(std::shared_ptr<const MappedFile> file);
  void add_array(std::string name, const SharedBytes& head, std::int64_t size,
                 const ZipEntry* entry);

  std::shared_ptr<const MappedFile> file_;
  std::unique_ptr<ZipReader> zip_;
  std::vector<Array> arrays_;
};

}  // namespace conopa
