#include "conopa/nn/parameters.h"

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
    tensors_[i].copy_(view_as_torch(arch::initial_tensor(table_.entries()[i], seed)));
  }
}

arch::KeyReport Parameters::load(const Source& source, LoadPolicy policy, std::string_view where) {
  const at::NoGradGuard no_grad;
  arch::KeyReport report;
  std::vector<std::pair<std::size_t, HostTensor>> found;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const arch::TensorEntry& entry = table_.entries()[i];
    std::optional<HostTensor> value = source(entry.name);
    if (!value) {
      report.missing.push_back(entry.name);
    } else if (value->shape() != entry.shape) {
      report.reshaped.push_back({entry.name, entry.shape, value->shape()});
    } else {
      found.emplace_back(i, std::move(*value));
    }
  }
  if (policy == LoadPolicy::kStrict && !report.clean()) {
    throw FormatError(where, "the checkpoint is not of this model: {}", report.summary());
  }
  for (const auto& [i, value] : found) {
    tensors_[i].copy_(view_as_torch(value));
  }
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
    out.emplace(table_.entries()[i].name, nn::to_host(tensors_[i]));
  }
  return out;
}

void Parameters::zero_grad() {
  for (at::Tensor& tensor : tensors_) tensor.mutable_grad() = at::Tensor();
}

}  // namespace conopa::nn
