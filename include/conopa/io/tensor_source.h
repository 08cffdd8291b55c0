#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "conopa/core/dtype.h"
#include "conopa/core/host_tensor.h"
#include "conopa/core/quant_matrix.h"

namespace conopa {

/// Free strings of a checkpoint (safetensors `__metadata__`).
using Metadata = std::map<std::string, std::string>;

struct NamedTensor {
  std::string name;
  HostTensor tensor;
};

/// What a file says about one tensor.
struct TensorInfo {
  std::optional<DType> dtype;  ///< nothing: a type that can be listed but not read
  std::string dtype_name;      ///< spelling of the safetensors format where it has one
  Shape shape;
};

/// Tensors by name, wherever they lie: the one interface of every checkpoint format.
///
/// Opening reads tables only; read() touches the bytes of one tensor. Immutable once made, so all
/// members may be called from several threads.
class TensorSource {
 public:
  TensorSource(const TensorSource&) = delete;
  TensorSource& operator=(const TensorSource&) = delete;
  virtual ~TensorSource();

  /// Names in the order of the file.
  [[nodiscard]] const std::vector<std::string>& names() const noexcept { return names_; }
  [[nodiscard]] bool contains(std::string_view name) const;

  /// @throws FormatError if the source has no such tensor.
  [[nodiscard]] const TensorInfo& info(std::string_view name) const;

  /// The tensor: a view of the mapped file where its bytes are contiguous and aligned, else a copy.
  /// The result outlives the source.
  /// @throws FormatError if there is no such tensor or its bytes are damaged, UnsupportedError if
  /// its element type is not one of DType.
  [[nodiscard]] HostTensor read(std::string_view name) const;

  /// A matrix as it is stored, if it is stored quantised; nothing for other tensors. read() gives
  /// the same matrix as float32.
  /// @throws FormatError if there is no such tensor or its scales are not finite.
  [[nodiscard]] virtual std::optional<QuantMatrix> read_quantised(std::string_view name) const;

  /// Form of the source's quantised matrices; nothing if it has none.
  [[nodiscard]] virtual std::optional<QuantForm> quant_form() const noexcept { return {}; }

  /// Says that a tensor is done with for now: the pages of a mapped file that hold it leave this
  /// process's memory until somebody reads them again. Tensors that were read stay valid. Unknown
  /// names are ignored.
  virtual void release(std::string_view name) const noexcept;

  [[nodiscard]] const Metadata& metadata() const noexcept { return metadata_; }

  /// Path for messages.
  [[nodiscard]] const std::string& where() const noexcept { return where_; }

 protected:
  explicit TensorSource(std::string where) : where_(std::move(where)) {}

  /// Appends a tensor to the table; its index is the number of earlier calls.
  /// @throws FormatError on a name that is already there.
  void add(std::string name, TensorInfo info);
  void set_metadata(Metadata metadata) { metadata_ = std::move(metadata); }
  [[nodiscard]] const TensorInfo& info_at(std::size_t index) const { return infos_[index]; }
  /// @throws FormatError if the source has no such tensor.
  [[nodiscard]] std::size_t index_of(std::string_view name) const;
  /// The same without throwing.
  [[nodiscard]] std::optional<std::size_t> find_index(std::string_view name) const noexcept;

  /// Reads the tensor with that index; its dtype is known.
  [[nodiscard]] virtual HostTensor load(std::size_t index) const = 0;

 private:
  struct NameHash {  // finds by view without making a string
    using is_transparent = void;
    std::size_t operator()(std::string_view name) const noexcept {
      return std::hash<std::string_view>{}(name);
    }
  };

  std::string where_;
  std::vector<std::string> names_;
  std::vector<TensorInfo> infos_;
  std::unordered_map<std::string, std::size_t, NameHash, std::equal_to<>> index_;
  Metadata metadata_;
};

/// Tensors in memory as a source; the bytes are shared, not copied.
class MemorySource : public TensorSource {
 public:
  explicit MemorySource(std::vector<NamedTensor> tensors, Metadata metadata = {},
                        std::string where = "memory");

 protected:
  [[nodiscard]] HostTensor load(std::size_t index) const override;

 private:
  std::vector<HostTensor> tensors_;
};

/// Every tensor of a source, in its order; files stay mapped, so this copies nothing by itself.
[[nodiscard]] std::vector<NamedTensor> read_all(const TensorSource& source);

}  // namespace conopa
