#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/arch/tensor_table.h"
#include "conopa/core/fields.h"
#include "conopa/core/host_tensor.h"

namespace conopa::nn {

/// What load() does with tensors that the source lacks or shapes differently.
enum class LoadPolicy {
  kStrict,   ///< refuse
  kTrained,  ///< refuse, but tensors of a frozen language model may be missing and stay
  kPartial   ///< keep the present value and report
};

/// How the matrices of a frozen language model are kept. kInt8: one scale a row, to nearest.
enum class FrozenStorage { kFp32, kBf16, kInt8 };

/// A model's tensors on one device, in the order of its TensorTable.
class Parameters {
 public:
  /// Allocates float32 tensors of the table (uninitialised). Trainable ones require gradients.
  explicit Parameters(arch::TensorTable table, at::Device device = at::kCPU);

  /// Fills every tensor by its Init rule; each tensor's stream depends on (seed, name) only.
  void initialize(std::uint64_t seed);

  /// Gives a tensor by canonical name, or nothing.
  using Source = std::function<std::optional<HostTensor>(const std::string& name)>;

  /// Copies tensors from a source of canonical names, converting to float32.
  /// @throws FormatError listing what is missing or reshaped if the policy is strict; nothing is
  ///         changed then.
  arch::KeyReport load(const Source& source, LoadPolicy policy, std::string_view where);

  [[nodiscard]] const arch::TensorTable& table() const noexcept { return table_; }
  /// Tensor i belongs to table().entries()[i].
  [[nodiscard]] const std::vector<at::Tensor>& tensors() const noexcept { return tensors_; }
  [[nodiscard]] std::size_t size() const noexcept { return tensors_.size(); }
  [[nodiscard]] at::Device device() const noexcept { return device_; }

  /// The tensor, or an undefined one if the table has none of that name.
  [[nodiscard]] at::Tensor get(std::string_view name) const;
  /// @throws std::logic_error if absent: the executor asked for a role the spec does not have.
  [[nodiscard]] const at::Tensor& require(std::string_view name) const;

  /// A tensor as float32 for a product: the tensor itself, or a frozen one decoded.
  /// @throws std::logic_error if absent.
  [[nodiscard]] at::Tensor value(std::string_view name) const;

  /// Keeps the matrices of a frozen language model in fewer bits; the others stay float32. load()
  /// and to_host() convert. Cost of every use: one pass over the matrix.
  void store_frozen(FrozenStorage storage);

  /// Host copies of all tensors, float32, canonical names.
  [[nodiscard]] std::map<std::string, HostTensor> to_host() const;

  void zero_grad();

 private:
  void set(std::size_t i, const HostTensor& value);
  void keep_frozen(std::size_t i, const at::Tensor& value);
  [[nodiscard]] bool in_fewer_bits(std::size_t i) const;

  arch::TensorTable table_;
  at::Device device_;
  std::vector<at::Tensor> tensors_;
  FrozenStorage storage_ = FrozenStorage::kFp32;
  std::map<std::size_t, at::Tensor> row_scales_;  ///< [rows, 1] of the ones kept as int8
  std::map<std::string, std::size_t, std::less<>> index_;
};

}  // namespace conopa::nn

namespace conopa {
template <>
struct EnumNames<nn::FrozenStorage> {
  static constexpr std::array<std::string_view, 3> kNames{"fp32", "bf16", "int8"};
};
}  // namespace conopa
