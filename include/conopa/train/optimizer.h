#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "conopa/io/tensor_source.h"
#include "conopa/nn/parameters.h"
#include "conopa/train/options.h"

namespace conopa::train {

/// AdamW over a model's trainable tensors, in the arithmetic of PyTorch's.
///
/// Groups come from the TensorTable: weight decay by its flag, and with layer decay λ the learning
/// rate of layer l is multiplied by λ^(L − l), L being the head's layer. float32 tensors on the CPU
/// go through the fused kernel, others through stock operations. Tensors without a gradient are
/// left alone, as in PyTorch.
/// @source Loshchilov, Hutter, "Decoupled weight decay regularization", ICLR 2019.
class AdamW {
 public:
  /// @param parameters  kept by reference.
  /// @param ops         kStock keeps off the kernels on the CPU too.
  AdamW(nn::Parameters& parameters, const OptimOptions& options, nn::Ops ops = nn::Ops::kAuto);

  /// One update by the gradients the parameters hold, multiplied by `grad_scale`.
  void step(double lr, double weight_decay, double grad_scale = 1.0);

  /// Updates done.
  [[nodiscard]] std::int64_t steps() const noexcept { return steps_; }

  /// Learning-rate factor of tensor i of the table.
  [[nodiscard]] double lr_factor(std::size_t i) const { return slots_.at(i).lr_factor; }

  /// The averages as `exp_avg.NAME` and `exp_avg_sq.NAME`, shared with the optimiser on the CPU:
  /// write them before the next step.
  [[nodiscard]] std::vector<NamedTensor> state() const;

  /// Inverse of state().
  /// @throws FormatError if a tensor is missing or has another shape; nothing is changed then.
  void load_state(const TensorSource& source, std::int64_t steps);

 private:
  struct Slot {
    double lr_factor = 1.0;
    bool decay = false;
    at::Tensor exp_avg;  // undefined for buffers
    at::Tensor exp_avg_sq;
  };
  void update(const at::Tensor& parameter, const Slot& slot, double lr, double weight_decay,
              double grad_scale) const;

  nn::Parameters& parameters_;
  double beta1_;
  double beta2_;
  double eps_;
  nn::Ops ops_;
  std::int64_t steps_ = 0;
  std::vector<Slot> slots_;
};

/// Global L2 norm of all gradients, summed in double: a float64 scalar on the parameters' device.
[[nodiscard]] at::Tensor gradient_norm(const nn::Parameters& parameters,
                                       nn::Ops ops = nn::Ops::kAuto);

/// What gradients of that norm are multiplied by: min(1, max_norm / (norm + 1e-6)), as PyTorch's
/// clip_grad_norm_; 1 if max_norm is 0. A norm that is not finite gives 1.
[[nodiscard]] double clip_factor(double norm, double max_norm) noexcept;

/// The same for a norm on any device, without waiting for it: multiplies the gradients in place.
void clip_gradients(nn::Parameters& parameters, const at::Tensor& norm, double max_norm);

/// A view of a contiguous CPU tensor's memory as a host tensor (kept alive), a copy of any other.
[[nodiscard]] HostTensor host_view(const at::Tensor& tensor);

/// Copies tensor `name` of a source into `target`.
/// @throws FormatError if it is missing or has another shape.
void copy_from(const TensorSource& source, const std::string& name, const at::Tensor& target);

}  // namespace conopa::train
