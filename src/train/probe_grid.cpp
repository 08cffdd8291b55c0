#include "conopa/train/probe_grid.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "conopa/arch/init.h"
#include "conopa/arch/tensor_table.h"
#include "conopa/core/error.h"
#include "conopa/nn/convert.h"
#include "conopa/nn/ops.h"
#include "conopa/train/schedule.h"

namespace conopa::train {
namespace {

namespace names = arch::names;

constexpr double kBeta1 = 0.9;
constexpr double kBeta2 = 0.999;
constexpr double kEps = 1e-8;

void check_spec(const arch::EncoderSpec& spec) {
  const bool reads = spec.read_out == arch::ReadOut::kMean ||
                     (spec.read_out == arch::ReadOut::kAttention && !spec.pool_bias);
  if (reads && spec.head_norm == arch::HeadNorm::kBatch && spec.num_classes > 0 &&
      spec.projection == 0) {
    return;
  }
  throw ConfigError("probe",
                    "expected read_out = \"mean\" or \"attention\" (without pool_bias), head_norm "
                    "= \"batch\", classes and no projection");
}

// Names under the head but its norm: queries, keys, values, the linear layer.
bool of_head(const std::string& name) { return name.starts_with(std::string(names::kHead) + "."); }

// [G] tensors of numbers against [G, ...] weights.
at::Tensor beside(const at::Tensor& numbers, const at::Tensor& weights) {
  std::vector<std::int64_t> shape(static_cast<std::size_t>(weights.dim()), 1);
  shape.front() = numbers.size(0);
  return numbers.view(shape);
}

}  // namespace

ProbeGrid::ProbeGrid(arch::EncoderSpec spec, std::vector<ProbeSetting> settings,
                     const ProbeTraining& training, at::Device device)
    : spec_(std::move(spec)), settings_(std::move(settings)), training_(training) {
  check_spec(spec_);
  if (settings_.empty()) throw ConfigError("probe", "expected a learning rate, found none");
  for (const ProbeSetting& setting : settings_) {
    rates_.push_back(lr_schedule({.peak = setting.lr,
                                  .final = std::min(setting.lr, training_.lr_min),
                                  .warmup = {.epochs = training_.warmup_epochs}},
                                 training_.epochs, training_.steps_per_epoch));
  }
  const arch::TensorTable table(spec_);
  for (const arch::TensorEntry& entry : table.entries()) {
    if (!of_head(entry.name)) continue;
    const at::Tensor start = nn::to_torch(arch::initial_tensor(entry, training_.seed)).to(device);
    std::vector<std::int64_t> shape = entry.shape;
    shape.insert(shape.begin(), size());
    const at::Tensor values = start.unsqueeze(0).expand(shape).contiguous();
    stacks_.push_back({.name = entry.name,
                       .values = values,
                       .mean = at::zeros_like(values),
                       .square = at::zeros_like(values),
                       .decay = entry.decay});
    stacks_.back().values.set_requires_grad(true);
  }
  const at::TensorOptions floats = at::TensorOptions().dtype(at::kFloat).device(device);
  statistics_ = {.mean = at::zeros({spec_.dim}, floats),
                 .variance = at::ones({spec_.dim}, floats),
                 .batches = at::zeros({}, floats)};
}

at::Tensor ProbeGrid::stack(std::string_view name) const {
  const auto it = std::ranges::find(stacks_, name, &Stack::name);
  return it == stacks_.end() ? at::Tensor() : it->values;
}

// The statistics of the mean read-out are those of means, as the model's own head has them.
at::Tensor ProbeGrid::normalised(const at::Tensor& tokens, bool training) const {
  const bool attends = spec_.read_out == arch::ReadOut::kAttention;
  const at::Tensor rows = attends ? tokens.reshape({-1, spec_.dim}) : tokens.mean(1);
  return nn::probe_norm(rows, statistics_, training).view({tokens.size(0), -1, spec_.dim});
}

at::Tensor ProbeGrid::pooled(const at::Tensor& tokens) const {
  const std::int64_t B = tokens.size(0);
  const std::int64_t D = spec_.dim;
  const std::int64_t G = size();
  const std::int64_t H = spec_.heads;
  const std::int64_t Q = spec_.pool_queries;
  const std::int64_t Dh = D / H;
  const at::Tensor queries = stack(names::kPoolQueries).view({G, Q, H, Dh}).transpose(1, 2);
  const at::Tensor keys = stack(std::string(names::kPoolKey) + ".weight").view({G * H, Dh, D});
  const at::Tensor values = stack(std::string(names::kPoolValue) + ".weight").view({G * H, Dh, D});
  const double scale = 1.0 / std::sqrt(static_cast<double>(Dh));
  const at::Tensor asked = at::bmm(queries.reshape({G * H, Q, Dh}), keys) * scale;  // [GH, Q, D]
  const at::Tensor scores =
      at::matmul(tokens.view({-1, D}), asked.view({G * H * Q, D}).t()).view({B, -1, G * H * Q});
  const at::Tensor weights = at::softmax(scores, 1).transpose(1, 2);  // [B, GHQ, N]
  const at::Tensor gathered =
      at::bmm(weights, tokens).view({B, G * H, Q, D}).mean(2).transpose(0, 1);  // [GH, B, D]
  return at::bmm(gathered, values.transpose(1, 2))                              // [GH, B, Dh]
      .view({G, H, B, Dh})
      .permute({0, 2, 1, 3})
      .reshape({G, B, D});
}

at::Tensor ProbeGrid::classify(const at::Tensor& tokens) const {
  const std::int64_t B = tokens.size(0);
  const bool attends = spec_.read_out == arch::ReadOut::kAttention;
  const at::Tensor features =
      attends ? pooled(tokens) : tokens.view({1, B, spec_.dim}).expand({size(), B, spec_.dim});
  const std::string head(names::kHead);
  const at::Tensor logits = at::bmm(features, stack(head + ".weight").transpose(1, 2));
  const at::Tensor bias = stack(head + ".bias");
  return bias.defined() ? logits + bias.unsqueeze(1) : logits;
}

std::vector<double> ProbeGrid::step(const at::Tensor& tokens, const at::Tensor& labels) {
  const at::Tensor logits = classify(normalised(tokens, true));
  std::vector<double> losses;
  at::Tensor sum;
  for (std::int64_t g = 0; g < size(); ++g) {
    const at::Tensor loss = nn::label_cross_entropy(logits.select(0, g), labels, 0.0, {});
    losses.push_back(loss.item<double>());
    sum = sum.defined() ? sum + loss : loss;
  }
  sum.backward();
  update();
  return losses;
}

at::Tensor ProbeGrid::per_head(const std::vector<double>& values) const {
  at::Tensor out = at::zeros({size()}, at::TensorOptions().dtype(at::kFloat));
  std::ranges::transform(values, nn::floats(out).begin(),
                         [](double value) { return static_cast<float>(value); });
  return out.to(stacks_.front().values.device());
}

void ProbeGrid::update() {
  const at::NoGradGuard no_grad;
  const auto index = static_cast<std::size_t>(steps_++);
  std::vector<double> rates;
  std::vector<double> kept;  // of a weight after the decay
  for (std::size_t g = 0; g < settings_.size(); ++g) {
    rates.push_back(rates_[g].at(index));
    kept.push_back(1.0 - rates.back() * settings_[g].weight_decay);
  }
  const at::Tensor lr = per_head(rates);
  const at::Tensor decay = per_head(kept);
  at::Tensor scale = at::zeros_like(lr);
  for (const Stack& s : stacks_) scale += s.values.grad().square().flatten(1).sum(1);
  scale = training_.clip_grad > 0.0 ? (training_.clip_grad / (scale.sqrt() + 1e-6)).clamp_max(1.0)
                                    : at::ones_like(scale);
  const double correction1 = 1.0 - std::pow(kBeta1, static_cast<double>(steps_));
  const double correction2 = 1.0 - std::pow(kBeta2, static_cast<double>(steps_));
  for (Stack& s : stacks_) {
    const at::Tensor grad = s.values.grad() * beside(scale, s.values);
    if (s.decay) s.values.mul_(beside(decay, s.values));
    s.mean.mul_(kBeta1).add_(grad, 1.0 - kBeta1);
    s.square.mul_(kBeta2).addcmul_(grad, grad, 1.0 - kBeta2);
    const at::Tensor denominator = s.square.sqrt().div_(std::sqrt(correction2)).add_(kEps);
    s.values.sub_(s.mean / denominator * beside(lr / correction1, s.values));
    s.values.mutable_grad().reset();
  }
}

at::Tensor ProbeGrid::logits(const at::Tensor& tokens) const {
  const at::NoGradGuard no_grad;
  return classify(normalised(tokens, false));
}

std::map<std::string, HostTensor> ProbeGrid::head(std::int64_t index) const {
  std::map<std::string, HostTensor> out;
  for (const Stack& s : stacks_) out.emplace(s.name, nn::to_host(s.values.select(0, index)));
  const std::string norm(names::kHeadNorm);
  out.emplace(norm + ".running_mean", nn::to_host(statistics_.mean));
  out.emplace(norm + ".running_var", nn::to_host(statistics_.variance));
  out.emplace(norm + ".num_batches_tracked", nn::to_host(statistics_.batches));
  return out;
}

}  // namespace conopa::train
