#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "conopa/core/dtype.h"
#include "conopa/core/host_tensor.h"
#include "conopa/io/atomic_file.h"

namespace conopa::train {

/// What a file of features holds.
struct FeatureLayout {
  std::int64_t rows = 0;    ///< images, flipped ones included
  std::int64_t tokens = 0;  ///< of an image; 1: their mean
  std::int64_t dim = 0;
  DType dtype = DType::kBF16;  ///< kBF16 or kF32

  [[nodiscard]] std::int64_t row_bytes() const noexcept { return tokens * dim * dtype_size(dtype); }
  /// Of the whole file but its header.
  [[nodiscard]] std::int64_t bytes() const noexcept {
    return rows * (row_bytes() + std::int64_t{sizeof(std::int64_t)});
  }
};

/// Features of one split, mapped: a safetensors file with `tokens` [rows, N, D] and `labels`
/// [rows] int64, whose metadata names the key that it was made for.
struct FeatureFile {
  HostTensor tokens;
  HostTensor labels;

  /// @throws IoError if it cannot be read; FormatError if it is truncated, or belongs to another
  ///         key or layout, saying that it is to be removed.
  [[nodiscard]] static FeatureFile open(const std::filesystem::path& path, const std::string& key,
                                        const FeatureLayout& layout);
};

/// Writes such a file row by row; it appears under its name when complete. Not thread-safe.
class FeatureWriter {
 public:
  /// @throws IoError if the folder cannot be written.
  FeatureWriter(const std::filesystem::path& path, const std::string& key,
                const FeatureLayout& layout);

  /// Adds whole rows.
  /// @param bytes  of the layout's dtype; labels one per row.
  /// @throws ShapeError if a row is cut off or there are too many, IoError if the disk is full.
  void append(std::span<const std::byte> bytes, std::span<const std::int64_t> labels);

  /// @throws ShapeError if rows are missing, IoError.
  void commit();

 private:
  std::string where_;
  FeatureLayout layout_;
  AtomicFile file_;
  std::vector<std::int64_t> labels_;
};

}  // namespace conopa::train
