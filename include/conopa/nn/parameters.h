#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/arch/tensor_table.h"
#include "conopa/core/host_tensor.h"

namespace conopa::nn {

/// What load() does with tensors that the source lacks or shapes differently.
enum class LoadPolicy {
  kStrict,  ///< refuse
  kPartial  ///< keep the present value and report
};

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

  /// Host copies of all tensors, float32, canonical names.
  [[nodiscard]] std::map<std::string, HostTensor> to_host() const;

  void zero_grad();

 private:
  arch::TensorTable table_;
  at::Device device_;
  std::vector<at::Tensor> tensors_;
  std::map<std::string, std::size_t, std::less<>> index_;
};

}  // namespace conopa::nn
