#include "conopa/nn/parameters.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>

#include "conopa/arch/init.h"
#include "conopa/core/error.h"
#include "conopa/nn/convert.h"

namespace conopa::nn {
Parameters::Parameters(arch::TensorTable table, at::Device device)
    : table_(std::move(table)), device_(device) {
  for (const arch::TensorEntry& entry : table_.entries()) {
    at::Tensor tensor =
        at::empty(entry.shape, at::TensorOptions().dtype(at::kFloat).device(device_));
    tensor.set_requires_grad(entry.trainable);
    index_.emplace(entry.name, tensors_.size());
    tensors_.push_back(std::move(tensor));
  }
}

void Parameters::initialize(std::uint64_t seed) {
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    set(i, arch::initial_tensor(table_.entries()[i], seed));
  }
}

arch::KeyReport Parameters::load(const Source& source, LoadPolicy policy, std::string_view where) {
  const at::NoGradGuard no_grad;
  arch::KeyReport report;
  std::vector<std::pair<std::size_t, HostTensor>> found;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const arch::TensorEntry& entry = table_.entries()[i];
    std::optional<HostTensor> value = source(entry.name);
    if (!value && policy == LoadPolicy::kTrained && entry.frozen) continue;
    if (!value) {
      report.missing.push_back(entry.name);
    } else if (value->shape() != entry.shape) {
      report.reshaped.push_back({entry.name, entry.shape, value->shape()});
    } else {
      found.emplace_back(i, std::move(*value));
    }
  }
  if (policy != LoadPolicy::kPartial && !report.clean()) {
    throw FormatError(where, "the checkpoint is not of this model: {}", report.summary());
  }
  for (const auto& [i, value] : found) set(i, value);
  return report;
}

at::Tensor Parameters::get(std::string_view name) const {
  const auto it = index_.find(name);
  return it == index_.end() ? at::Tensor() : tensors_[it->second];
}

const at::Tensor& Parameters::require(std::string_view name) const {
  const auto it = index_.find(name);
  if (it == index_.end())
    throw std::logic_error("no tensor " + std::string(name) + " in the table");
  return tensors_[it->second];
}

std::map<std::string, HostTensor> Parameters::to_host() const {
  std::map<std::string, HostTensor> out;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    out.emplace(table_.entries()[i].name, nn::to_host(value(table_.entries()[i].name)));
  }
  return out;
}

at::Tensor Parameters::value(std::string_view name) const {
  const at::Tensor& kept = require(name);
  if (kept.scalar_type() == at::kFloat) return kept;
  const auto scales = row_scales_.find(index_.find(name)->second);
  const at::Tensor wide = kept.to(at::kFloat);
  return scales == row_scales_.end() ? wide : wide.mul_(scales->second);
}

void Parameters::keep_frozen(std::size_t i, const at::Tensor& value) {
  const at::Tensor wide = value.to(device_, at::kFloat);
  if (storage_ == FrozenStorage::kInt8) {
    constexpr double kSteps = 127.0;
    const at::Tensor scale = (wide.abs().amax(1, true) / kSteps).clamp_min(1e-30);
    tensors_[i] = (wide / scale).round_().to(at::kChar);
    row_scales_[i] = scale;
  } else {
    tensors_[i] = wide.to(at::kBFloat16);
  }
}

bool Parameters::in_fewer_bits(std::size_t i) const {
  const arch::TensorEntry& entry = table_.entries()[i];
  return storage_ != FrozenStorage::kFp32 && entry.frozen && entry.shape.size() == 2;
}

void Parameters::store_frozen(FrozenStorage storage) {
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    tensors_[i] = value(table_.entries()[i].name);
  }
  row_scales_.clear();
  storage_ = storage;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    if (in_fewer_bits(i)) keep_frozen(i, tensors_[i]);
  }
}

void Parameters::set(std::size_t i, const HostTensor& value) {
  if (in_fewer_bits(i)) {
    keep_frozen(i, view_as_torch(value));
  } else {
    tensors_[i].copy_(view_as_torch(value));
  }
}

void Parameters::zero_grad() {
  for (at::Tensor& tensor : tensors_) tensor.mutable_grad() = at::Tensor();
}

}  // namespace conopa::nn
