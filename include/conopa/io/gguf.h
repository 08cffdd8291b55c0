#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/io/gguf_value.h"
#include "conopa/io/mapped_file.h"
#include "conopa/io/tensor_source.h"

namespace conopa {

struct GgufHeader;
struct GgufTensorEntry;

/// A GGUF file (versions 2 and 3, little-endian), mapped; tensors are views of the mapping.
///
/// Shapes are row-major here: the dimensions of the file, innermost first, are reversed. Q8_0
/// and Q4_0 tensors read as float32 (read_quantised gives matrices as stored). Other block types
/// and unknown ones are listed; reading one throws UnsupportedError.
///
/// Everything is checked on opening: counts and lengths against the bytes that are left, names
/// (UTF-8, unique), alignment, ranges inside the file and free of overlap. Metadata holds at most
/// kMaxGgufItems array items, nested at most 4 deep. metadata() of the base class holds every
/// entry as text, arrays abridged.
/// @source https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
class GgufFile : public TensorSource {
 public:
  /// @throws IoError if the file cannot be read, FormatError if it is damaged, UnsupportedError for
  /// another version or byte order.
  [[nodiscard]] static std::unique_ptr<GgufFile> open(const std::filesystem::path& path);
  [[nodiscard]] static std::unique_ptr<GgufFile> from(std::shared_ptr<const MappedFile> file);

  [[nodiscard]] const GgufEntries& entries() const noexcept { return entries_; }
  /// Value of a metadata key; null if there is none. Linear in the entries.
  [[nodiscard]] const GgufValue* find(std::string_view key) const noexcept;

  [[nodiscard]] std::optional<QuantMatrix> read_quantised(std::string_view name) const override;
  /// Nothing too if matrices of several forms are mixed.
  [[nodiscard]] std::optional<QuantForm> quant_form() const noexcept override;

 protected:
  [[nodiscard]] HostTensor load(std::size_t index) const override;

 private:
  struct Range {
    std::int64_t begin;  // from the start of the file
    std::int64_t length;
  };
  explicit GgufFile(std::shared_ptr<const MappedFile> file);
  [[nodiscard]] Range range_of(const GgufTensorEntry& entry, const GgufType* type,
                               const GgufHeader& header, std::int64_t data_begin) const;
  void add_tensors(const GgufHeader& header, std::int64_t data_begin);

  [[nodiscard]] QuantMatrix matrix(std::size_t index) const;

  std::shared_ptr<const MappedFile> file_;
  GgufEntries entries_;
  std::vector<Range> ranges_;
  std::vector<std::optional<QuantForm>> forms_;  // by index; nothing for single elements
};

/// Most array items that the metadata of a file may hold.
inline constexpr std::int64_t kMaxGgufItems = 4'000'000;

/// A tensor to write.
struct GgufTensor {
  std::string name;  ///< at most 63 bytes, which is what ggml reads
  GgufType type;
  Shape shape;                       ///< logical, row-major, at most 4 dimensions
  std::function<HostTensor()> load;  ///< its bytes, asked for once, when they are written
};

/// The tensor as it is: its dtype and shape.
/// @throws UnsupportedError if GGUF has no such element type.
[[nodiscard]] GgufTensor gguf_tensor(std::string name, HostTensor tensor);

/// A matrix in a block form, or the I8 values of an int8 one (without its scales).
[[nodiscard]] GgufTensor gguf_tensor(std::string name, const QuantMatrix& matrix);

/// Writes a GGUF file (version 3, alignment 32) atomically, tensors in the given order and one in
/// memory at a time.
/// @throws FormatError on names or keys that are used twice, too long or not UTF-8, and on tensors
/// whose bytes or dimensions do not fit; IoError if the file cannot be written.
void write_gguf(const std::filesystem::path& path, const GgufEntries& entries,
                std::span<const GgufTensor> tensors);

}  // namespace conopa
