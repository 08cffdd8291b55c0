#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/io/tensor_source.h"
#include "conopa/nn/parameters.h"
#include "conopa/train/options.h"

namespace conopa::train {

/// An optimiser over a model's trainable tensors: what all of them share. A rule is one subclass.
///
/// Groups come from the TensorTable: weight decay by its flag, and with layer decay λ the learning
/// rate of layer l is multiplied by λ^(L − l), L being the head's layer; options.no_decay_lr and
/// mapper_lr are factors of groups. Tensors that did not
/// require a gradient when it was built (buffers, frozen layers) have no state and stay as they
/// are; tensors without a gradient are left alone for that step, as in PyTorch. Not thread-safe.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// One update by the gradients the parameters hold, multiplied by `grad_scale`.
  void step(double lr, double weight_decay, double grad_scale = 1.0);

  /// Updates done.
  [[nodiscard]] std::int64_t steps() const noexcept { return steps_; }

  /// Learning-rate factor of tensor i of the table.
  [[nodiscard]] double lr_factor(std::size_t i) const { return slots_.at(i).lr_factor; }

  /// The averages as `MOMENT.NAME`, shared with the optimiser on the CPU: write them before the
  /// next step.
  [[nodiscard]] std::vector<NamedTensor> state() const;

  /// Inverse of state().
  /// @throws FormatError if a tensor is missing or has another shape; nothing is changed then.
  void load_state(const TensorSource& source, std::int64_t steps);

 protected:
  /// The numbers of one tensor's update.
  struct Update {
    double lr = 0.0;            ///< with the layer's factor
    double weight_decay = 0.0;  ///< 0 where the table says none
    double grad_scale = 1.0;    ///< what the gradient is to be multiplied by
  };

  /// @param parameters  kept by reference.
  /// @param ops         kStock keeps off the kernels on the CPU too.
  /// @param moments     names of the averages kept per tensor, with static storage; all start at 0.
  Optimizer(nn::Parameters& parameters, const OptimOptions& options, nn::Ops ops,
            std::vector<std::string_view> moments);

  /// Updates a tensor that has a gradient, in place; called without gradient recording, steps()
  /// counting this step already. @param moments  in the constructor's order.
  virtual void update(const at::Tensor& parameter, std::span<const at::Tensor> moments,
                      const Update& numbers) const = 0;

  [[nodiscard]] nn::Ops ops() const noexcept { return ops_; }

 private:
  struct Slot {
    double lr_factor = 1.0;
    bool decay = false;
    std::vector<at::Tensor> moments;  // none: not optimised
  };
  [[nodiscard]] std::string key(std::size_t moment, std::size_t tensor) const;

  nn::Parameters& parameters_;
  nn::Ops ops_;
  std::vector<std::string_view> moments_;
  std::int64_t steps_ = 0;
  std::vector<Slot> slots_;
};

/// The optimiser that `options.optimizer` names. Freeze tensors before, see apply_trainable().
/// @param parameters  kept by reference.
[[nodiscard]] std::unique_ptr<Optimizer> make_optimizer(nn::Parameters& parameters,
                                                        const OptimOptions& options,
                                                        nn::Ops ops = nn::Ops::kAuto);

/// A view of a contiguous CPU tensor's memory as a host tensor (kept alive), a copy of any other.
[[nodiscard]] HostTensor host_view(const at::Tensor& tensor);

/// Copies tensor `name` of a source into `target`.
/// @throws FormatError if it is missing or has another shape.
void copy_from(const TensorSource& source, const std::string& name, const at::Tensor& target);

}  // namespace conopa::train
