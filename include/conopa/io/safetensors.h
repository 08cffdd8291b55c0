#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "conopa/io/mapped_file.h"
#include "conopa/io/tensor_source.h"

namespace conopa {

/// A safetensors file, mapped; tensors are views of the mapping.
///
/// Everything is checked on opening: header of at most 100 MB starting with `{`, no duplicate
/// keys, shape times element size equal to the byte range, ranges that tile the data without
/// holes or overlaps. Tensors of other element types (float8, U16, ...) are listed; reading one
/// throws UnsupportedError.
/// @source https://github.com/huggingface/safetensors, format description.
class SafetensorsFile : public TensorSource {
 public:
  /// @throws IoError if the file cannot be read, FormatError if it is damaged.
  [[nodiscard]] static std::unique_ptr<SafetensorsFile> open(const std::filesystem::path& path);
  [[nodiscard]] static std::unique_ptr<SafetensorsFile> from(
      std::shared_ptr<const MappedFile> file);

  void release(std::string_view name) const noexcept override;

 protected:
  [[nodiscard]] HostTensor load(std::size_t index) const override;

 private:
  struct Range {
    std::int64_t begin;  // from the start of the file
    std::int64_t length;
  };
  explicit SafetensorsFile(std::shared_ptr<const MappedFile> file);

  std::shared_ptr<const MappedFile> file_;
  std::vector<Range> ranges_;
};

/// Writes a safetensors file atomically.
///
/// The bytes depend on content alone: tensors are ordered by element size (large first), then by
/// name, so that each starts aligned to its element; the data starts at a multiple of 8.
/// @throws FormatError on duplicate or reserved names, IoError if the file cannot be written.
void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                       const Metadata& metadata = {});

/// The same bytes from a source: one tensor at a time is read, written and released, so that the
/// memory needed is that of the largest one.
/// @param names  of the source's tensors to write.
/// @throws FormatError and UnsupportedError as above and as reading does.
void write_safetensors(const std::filesystem::path& path, const TensorSource& source,
                       std::span<const std::string> names, const Metadata& metadata = {});

}  // namespace conopa
