#include "conopa/train/optimizer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "conopa/core/error.h"
#include "conopa/kernels/adamw.h"
#include "conopa/nn/convert.h"

namespace conopa::train {
namespace {

constexpr std::string_view kFirst = "exp_avg.";
constexpr std::string_view kSecond = "exp_avg_sq.";

bool use_kernels(const at::Tensor& tensor, nn::Ops ops) {
  return ops != nn::Ops::kStock && tensor.device().is_cpu() && tensor.scalar_type() == at::kFloat;
}

std::string joined(std::string_view prefix, const std::string& name) {
  return std::string(prefix) + name;
}

}  // namespace

AdamW::AdamW(nn::Parameters& parameters, const OptimOptions& options, nn::Ops ops)
    : parameters_(parameters),
      beta1_(options.betas.at(0)),
      beta2_(options.betas.at(1)),
      eps_(options.eps),
      ops_(ops) {
  const std::vector<arch::TensorEntry>& entries = parameters.table().entries();
  std::int64_t top = 0;
  for (const arch::TensorEntry& entry : entries) top = std::max(top, entry.layer);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    Slot slot{
        .lr_factor = std::pow(options.layer_decay, static_cast<double>(top - entries[i].layer)),
        .decay = entries[i].decay,
        .exp_avg = {},
        .exp_avg_sq = {}};
    if (entries[i].trainable) {
      slot.exp_avg = at::zeros_like(parameters.tensors()[i].detach());
      slot.exp_avg_sq = at::zeros_like(slot.exp_avg);
    }
    slots_.push_back(std::move(slot));
  }
}

void AdamW::step(double lr, double weight_decay, double grad_scale) {
  const at::NoGradGuard no_grad;
  ++steps_;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const at::Tensor& parameter = parameters_.tensors()[i];
    if (!slots_[i].exp_avg.defined() || !parameter.grad().defined()) continue;
    update(parameter, slots_[i], lr * slots_[i].lr_factor, slots_[i].decay ? weight_decay : 0.0,
           grad_scale);
  }
}

void AdamW::update(const at::Tensor& parameter, const Slot& slot, double lr, double weight_decay,
                   double grad_scale) const {
  at::Tensor grad = parameter.grad();
  if (use_kernels(parameter, ops_)) {
    grad = grad.contiguous();
    const kernels::AdamWOptions options{.lr = lr,
                                        .beta1 = beta1_,
                                        .beta2 = beta2_,
                                        .eps = eps_,
                                        .weight_decay = weight_decay,
                                        .step = steps_,
                                        .grad_scale = static_cast<float>(grad_scale)};
    kernels::adamw_step(options, nn::floats(parameter), nn::floats(slot.exp_avg),
                        nn::floats(slot.exp_avg_sq), nn::floats(grad));
    return;
  }
  const auto count = static_cast<double>(steps_);
  const double correction1 = 1.0 - std::pow(beta1_, count);
  const double correction2 = 1.0 - std::pow(beta2_, count);
  if (grad_scale != 1.0) grad = grad * grad_scale;
  parameter.mul_(1.0 - lr * weight_decay);
  slot.exp_avg.mul_(beta1_).add_(grad, 1.0 - beta1_);
  slot.exp_avg_sq.mul_(beta2_).addcmul_(grad, grad, 1.0 - beta2_);
  const at::Tensor denominator = slot.exp_avg_sq.sqrt().div_(std::sqrt(correction2)).add_(eps_);
  parameter.addcdiv_(slot.exp_avg, denominator, -lr / correction1);
}

std::vector<NamedTensor> AdamW::state() const {
  std::vector<NamedTensor> out;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (!slots_[i].exp_avg.defined()) continue;
    const std::string& name = parameters_.table().entries()[i].name;
    out.push_back({joined(kFirst, name), host_view(slots_[i].exp_avg)});
    out.push_back({joined(kSecond, name), host_view(slots_[i].exp_avg_sq)});
  }
  return out;
}

void AdamW::load_state(const TensorSource& source, std::int64_t steps) {
  // Read completely before anything is replaced.
  std::vector<std::pair<at::Tensor, at::Tensor>> loaded(slots_.size());
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (!slots_[i].exp_avg.defined()) continue;
    const std::string& name = parameters_.table().entries()[i].name;
    loaded[i] = {at::empty_like(slots_[i].exp_avg), at::empty_like(slots_[i].exp_avg_sq)};
    copy_from(source, joined(kFirst, name), loaded[i].first);
    copy_from(source, joined(kSecond, name), loaded[i].second);
  }
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    std::tie(slots_[i].exp_avg, slots_[i].exp_avg_sq) = std::move(loaded[i]);
  }
  steps_ = steps;
}

at::Tensor gradient_norm(const nn::Parameters& parameters, nn::Ops ops) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> parts;
  double sum = 0.0;
  for (const at::Tensor& parameter : parameters.tensors()) {
    const at::Tensor& grad = parameter.grad();
    if (!grad.defined()) continue;
    if (use_kernels(grad, ops)) {
      sum += kernels::sum_of_squares(nn::floats(grad.contiguous()));
    } else {
      parts.push_back(grad.to(at::kDouble).square().sum());
    }
  }
  if (parts.empty()) return at::scalar_tensor(std::sqrt(sum), at::kDouble);
  return at::stack(parts).sum().add_(sum).sqrt_();
}

double clip_factor(double norm, double max_norm) noexcept {
  if (max_norm <= 0.0 || !std::isfinite(norm)) return 1.0;
  return std::min(1.0, max_norm / (norm + 1e-6));
}

void clip_gradients(nn::Parameters& parameters, const at::Tensor& norm, double max_norm) {
  const at::NoGradGuard no_grad;
  const at::Tensor factor = ((norm + 1e-6).reciprocal() * max_norm).clamp_max_(1.0);
  for (const at::Tensor& parameter : parameters.tensors()) {
    if (parameter.grad().defined()) parameter.mutable_grad().mul_(factor);
  }
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
