// The stock libtorch operators behind train_ops_bench, in a file of its own because their header
// takes long to compile.
#include <benchmark/benchmark.h>
#include <torch/torch.h>

#include <cmath>
#include <functional>
#include <string>

#include "bench/train_ops_shapes.h"

namespace conopa::bench {
namespace {

torch::Tensor leaf(torch::IntArrayRef shape) { return torch::randn(shape).requires_grad_(true); }

/// Rotates adjacent channel pairs of [B, H, N, Dh].
torch::Tensor rotate(const torch::Tensor& x, const torch::Tensor& cos, const torch::Tensor& sin) {
  const auto pairs = x.unflatten(-1, {-1, 2});
  const auto a = pairs.select(-1, 0);
  const auto b = pairs.select(-1, 1);
  return torch::stack({a * cos - b * sin, a * sin + b * cos}, -1).flatten(-2);
}

enum class Mask { kNone, kSoft, kCausal };

void attention(benchmark::State& state, const TrainShape& s, Mask kind) {
  auto qkv = leaf({s.batch, s.tokens, 3, s.heads, s.head_width});
  const auto dout = torch::randn({s.batch, s.tokens, s.heads * s.head_width});
  const auto angles = torch::randn({s.tokens, s.head_width / 2});
  const auto cos = angles.cos();
  const auto sin = angles.sin();
  const auto lower = torch::ones({s.tokens, s.tokens}).tril();
  const double scale = 1.0 / std::sqrt(static_cast<double>(s.head_width));
  for (auto _ : state) {
    const auto parts = qkv.permute({2, 0, 3, 1, 4}).unbind(0);
    const auto q = rotate(parts[0], cos, sin);
    const auto k = rotate(parts[1], cos, sin);
    auto scores = torch::matmul(q, k.transpose(-2, -1)) * scale;
    if (kind == Mask::kCausal) scores = scores.masked_fill(lower == 0, -INFINITY);
    auto weights = scores.softmax(-1);
    if (kind == Mask::kSoft) weights = weights * lower;
    const auto out = torch::matmul(weights, parts[2]).transpose(1, 2).reshape(dout.sizes());
    out.backward(dout);
    qkv.mutable_grad() = torch::Tensor();
  }
}

void rms_norm(benchmark::State& state, const TrainShape& s) {
  auto x = leaf({s.rows(), s.width});
  auto branch = leaf({s.rows(), s.width});
  auto weight = leaf({s.width});
  const auto dy = torch::randn({s.rows(), s.width});
  for (auto _ : state) {
    const auto h = x + branch;
    const auto y = h * torch::rsqrt(h.pow(2).mean(-1, true) + 1e-6) * weight;
    torch::autograd::backward({h, y}, {dy, dy});
    for (auto* t : {&x, &branch, &weight}) t->mutable_grad() = torch::Tensor();
  }
}

void swiglu(benchmark::State& state, const TrainShape& s) {
  auto packed = leaf({s.rows(), 2 * s.hidden});
  const auto dy = torch::randn({s.rows(), s.hidden});
  for (auto _ : state) {
    const auto parts = packed.chunk(2, -1);
    (torch::silu(parts[0]) * parts[1]).backward(dy);
    packed.mutable_grad() = torch::Tensor();
  }
}

void gelu(benchmark::State& state, const TrainShape& s) {
  auto x = leaf({s.rows(), s.hidden});
  const auto dy = torch::randn({s.rows(), s.hidden});
  for (auto _ : state) {
    torch::gelu(x).backward(dy);
    x.mutable_grad() = torch::Tensor();
  }
}

void column_sums(benchmark::State& state, const TrainShape& s) {
  const auto x = torch::randn({s.rows(), s.width});
  for (auto _ : state) benchmark::DoNotOptimize(x.sum(0));
}

void cross_entropy(benchmark::State& state, const TrainShape& s) {
  auto logits = leaf({s.batch, kClasses});
  const auto target = torch::rand({s.batch, kClasses});
  for (auto _ : state) {
    (-(target * logits.log_softmax(-1)).sum(-1)).sum().backward();
    logits.mutable_grad() = torch::Tensor();
  }
}

void adamw(benchmark::State& state) {
  auto p = leaf({kParameters});
  p.mutable_grad() = torch::randn({kParameters});
  torch::optim::AdamW optimizer({p}, torch::optim::AdamWOptions(1e-3).weight_decay(0.05));
  for (auto _ : state) optimizer.step();
}

void add(const std::string& name, std::function<void(benchmark::State&)> body) {
  benchmark::RegisterBenchmark((name + "/libtorch").c_str(), std::move(body))
      ->Unit(benchmark::kMicrosecond)
      ->UseRealTime();
}

}  // namespace

void register_libtorch_chains(int threads) {
  at::set_num_threads(threads);
  for (const TrainShape& s : kTrainShapes) {
    const std::string suffix = std::string("/") + s.name;
    for (const auto& [name, kind] :
         {std::pair{"attention", Mask::kNone}, std::pair{"attention_soft_causal", Mask::kSoft},
          std::pair{"attention_causal", Mask::kCausal}}) {
      add(name + suffix, [&s, k = kind](benchmark::State& state) { attention(state, s, k); });
    }
    add("add_rms_norm" + suffix, [&s](benchmark::State& state) { rms_norm(state, s); });
    add("swiglu" + suffix, [&s](benchmark::State& state) { swiglu(state, s); });
    add("gelu" + suffix, [&s](benchmark::State& state) { gelu(state, s); });
    add("column_sums" + suffix, [&s](benchmark::State& state) { column_sums(state, s); });
    add("cross_entropy" + suffix, [&s](benchmark::State& state) { cross_entropy(state, s); });
  }
  add("adamw/5.7M", adamw);
}

}  // namespace conopa::bench
