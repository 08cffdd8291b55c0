#include "conopa/train/optimizer.h"

#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "conopa/core/error.h"
#include "conopa/nn/convert.h"
#include "conopa/train/adamw.h"
#include "conopa/train/lamb.h"
#include "conopa/train/lars.h"

namespace conopa::train {

Optimizer::Optimizer(nn::Parameters& parameters, const OptimOptions& options, nn::Ops ops,
                     std::vector<std::string_view> moments)
    : parameters_(parameters), ops_(ops), moments_(std::move(moments)) {
  const std::vector<arch::TensorEntry>& entries = parameters.table().entries();
  std::int64_t top = 0;
  for (const arch::TensorEntry& entry : entries) top = std::max(top, entry.layer);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const at::Tensor& tensor = parameters.tensors()[i];
    const bool mapper = arch::names::is_mapper(entries[i].name);
    const double group = mapper ? options.mapper_lr : entries[i].decay ? 1.0 : options.no_decay_lr;
    Slot slot{.lr_factor = group * std::pow(options.layer_decay,
                                            static_cast<double>(top - entries[i].layer)),
              .decay = entries[i].decay && (!mapper || options.mapper_decay),
              .moments = {}};
    for (std::size_t m = 0; tensor.requires_grad() && m < moments_.size(); ++m) {
      slot.moments.push_back(at::zeros_like(tensor.detach()));
    }
    slots_.push_back(std::move(slot));
  }
}

std::string Optimizer::key(std::size_t moment, std::size_t tensor) const {
  return fmt::format("{}.{}", moments_[moment], parameters_.table().entries()[tensor].name);
}

void Optimizer::step(double lr, double weight_decay, double grad_scale) {
  const at::NoGradGuard no_grad;
  ++steps_;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const at::Tensor& parameter = parameters_.tensors()[i];
    const Slot& slot = slots_[i];
    if (slot.moments.empty() || !parameter.grad().defined()) continue;
    update(parameter, slot.moments,
           {.lr = lr * slot.lr_factor,
            .weight_decay = slot.decay ? weight_decay : 0.0,
            .grad_scale = grad_scale});
  }
}

std::vector<NamedTensor> Optimizer::state() const {
  std::vector<NamedTensor> out;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    for (std::size_t m = 0; m < slots_[i].moments.size(); ++m) {
      out.push_back({key(m, i), host_view(slots_[i].moments[m])});
    }
  }
  return out;
}

void Optimizer::load_state(const TensorSource& source, std::int64_t steps) {
  // Read completely before anything is replaced.
  std::vector<std::vector<at::Tensor>> loaded(slots_.size());
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    for (std::size_t m = 0; m < slots_[i].moments.size(); ++m) {
      loaded[i].push_back(at::empty_like(slots_[i].moments[m]));
      copy_from(source, key(m, i), loaded[i].back());
    }
  }
  for (std::size_t i = 0; i < slots_.size(); ++i) slots_[i].moments = std::move(loaded[i]);
  steps_ = steps;
}

std::unique_ptr<Optimizer> make_optimizer(nn::Parameters& parameters, const OptimOptions& options,
                                          nn::Ops ops) {
  switch (options.optimizer) {
    case OptimizerKind::kAdamW:
      return std::make_unique<AdamW>(parameters, options, ops);
    case OptimizerKind::kLamb:
      return std::make_unique<Lamb>(parameters, options, ops);
    case OptimizerKind::kLars:
      return std::make_unique<Lars>(parameters, options, ops);
  }
  throw std::logic_error("unknown optimiser");
}

HostTensor host_view(const at::Tensor& tensor) {
  if (!tensor.device().is_cpu() || !tensor.is_contiguous() || tensor.scalar_type() != at::kFloat) {
    return nn::to_host(tensor);
  }
  auto owner = std::make_shared<const at::Tensor>(tensor.detach());
  const std::span<const std::byte> bytes(static_cast<const std::byte*>(owner->data_ptr()),
                                         owner->nbytes());
  return {DType::kF32, owner->sizes().vec(), bytes, owner};
}

void copy_from(const TensorSource& source, const std::string& name, const at::Tensor& target) {
  const HostTensor value = source.read(name);
  if (value.shape() != target.sizes().vec()) {
    throw FormatError(source.where(), "tensor '{}' must have shape {}, found {}", name,
                      to_string(target.sizes().vec()), to_string(value.shape()));
  }
  const at::NoGradGuard no_grad;
  target.copy_(nn::view_as_torch(value));
}

}  // namespace conopa::train
