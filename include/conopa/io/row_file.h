#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "conopa/core/host_tensor.h"
#include "conopa/io/atomic_file.h"

namespace conopa {

/// What a RowFile will hold.
struct RowFileOptions {
  std::string name;                ///< of the tensor
  Shape row;                       ///< of one row
  std::vector<std::string> names;  ///< of all rows that may come
};

/// One float32 tensor [rows, row...] written row by row, with a name for each row, when the number
/// of rows is known only in the end. The file appears under its name when it is complete.
///
/// `.safetensors`: the names are a JSON list in the metadata, key "names". `.npz`: they are a
/// member names.json beside the uncompressed array; beyond 4 GiB in zip64. Not thread-safe.
/// @source NumPy Enhancement Proposal 1; PKWARE APPNOTE 6.3.9, sections 4.3 and 4.5.3.
class RowFile {
 public:
  /// @param path  ends in .npz or .safetensors.
  /// @throws ConfigError for another ending, IoError if the folder cannot be written, FormatError
  /// if
  ///         the names do not fit into a header.
  [[nodiscard]] static std::unique_ptr<RowFile> create(const std::filesystem::path& path,
                                                       RowFileOptions options);
  virtual ~RowFile() = default;
  RowFile(const RowFile&) = delete;
  RowFile& operator=(const RowFile&) = delete;

  /// Adds whole rows.
  /// @throws ShapeError if a row is cut off or there are more than names, IoError if the disk is
  ///         full.
  void append(std::span<const float> values);
  [[nodiscard]] std::int64_t rows() const noexcept { return rows_; }

  /// Writes what stands around the rows and shows the file. Call once.
  /// @param names  of the rows that came, a selection of the options' names.
  /// @throws ShapeError if there are not as many as rows, IoError.
  void commit(std::span<const std::string> names);

 protected:
  RowFile(const std::filesystem::path& path, RowFileOptions options);

  /// Bytes of a row's values arrived.
  virtual void passed(std::span<const std::byte> bytes) = 0;
  virtual void finish(std::span<const std::string> names) = 0;

  [[nodiscard]] Shape shape(std::int64_t rows) const;
  [[nodiscard]] AtomicFile& file() noexcept { return file_; }
  [[nodiscard]] const RowFileOptions& options() const noexcept { return options_; }

 private:
  std::string where_;
  AtomicFile file_;
  RowFileOptions options_;
  std::int64_t row_size_;
  std::int64_t rows_ = 0;
};

}  // namespace conopa
