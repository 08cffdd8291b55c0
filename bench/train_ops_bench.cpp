// The fused training operations, forward plus backward, for every instruction set of this machine
// and, in builds with libtorch, against the stock operators. CONOPA_BENCH_THREADS sets the thread
// count (default: all).
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/train_ops_shapes.h"
#include "conopa/core/parallel.h"
#include "conopa/core/rng.h"
#include "conopa/kernels/train_ops.h"

namespace conopa::bench {
namespace {

using kernels::AttentionMask;
using kernels::MaskKind;
using kernels::TrainOps;

std::vector<float> random_floats(std::int64_t count) {
  Rng rng(1, RngPurpose::kTest);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& v : values) v = static_cast<float>(rng.uniform(-1.0, 1.0));
  return values;
}

std::vector<float> zeros(std::int64_t count) {
  return std::vector<float>(static_cast<std::size_t>(count));
}

void attention(benchmark::State& state, const TrainOps& ops, const TrainShape& s,
               const AttentionMask& mask) {
  const std::int64_t outputs = s.rows() * s.heads * s.head_width;
  const auto qkv = random_floats(3 * outputs);
  const auto dout = random_floats(outputs);
  std::vector<float> cos = random_floats(s.tokens * s.head_width / 2);
  std::vector<float> sin = cos;
  for (std::size_t i = 0; i < cos.size(); ++i) sin[i] = std::sqrt(1.0F - cos[i] * cos[i]);
  const kernels::AttentionShape shape{.batch = s.batch,
                                      .queries = s.tokens,
                                      .keys = s.tokens,
                                      .heads = s.heads,
                                      .head_width = s.head_width};
  const auto input =
      kernels::packed_attention(shape, qkv, 1.0F / std::sqrt(static_cast<float>(s.head_width)),
                                mask, {.cos = cos, .sin = sin});
  auto out = zeros(outputs);
  auto lse = zeros(s.rows() * s.heads);
  auto dqkv = zeros(3 * outputs);
  const auto grads = kernels::packed_attention_grads(shape, dqkv);
  for (auto _ : state) {
    ops.attention_forward(input, {.out = out, .lse = lse});
    ops.attention_backward(input, dout, lse, grads);
    benchmark::ClobberMemory();
  }
  // Two products forward, five backward, counted dense.
  const double flops = 14.0 * static_cast<double>(outputs * s.tokens);
  state.counters["GFLOP/s"] = benchmark::Counter(
      flops * 1e-9 * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

void attention_forward(benchmark::State& state, const TrainOps& ops, const TrainShape& s) {
  const std::int64_t outputs = s.rows() * s.heads * s.head_width;
  const auto qkv = random_floats(3 * outputs);
  const kernels::AttentionShape shape{.batch = s.batch,
                                      .queries = s.tokens,
                                      .keys = s.tokens,
                                      .heads = s.heads,
                                      .head_width = s.head_width};
  const auto input = kernels::packed_attention(shape, qkv, 0.1F, {}, {});
  auto out = zeros(outputs);
  for (auto _ : state) {
    ops.attention_forward(input, {.out = out});
    benchmark::ClobberMemory();
  }
}

void rms_norm(benchmark::State& state, const TrainOps& ops, const TrainShape& s) {
  const kernels::NormShape shape{.rows = s.rows(), .width = s.width};
  const std::int64_t size = s.rows() * s.width;
  const auto x = random_floats(size);
  const auto weight = random_floats(s.width);
  auto sum = zeros(size), y = zeros(size), dx = zeros(size);
  auto inv_std = zeros(s.rows()), dweight = zeros(s.width);
  for (auto _ : state) {
    ops.norm_forward(shape, {.x = x,
                             .residual = {.branch = x},
                             .weight = weight,
                             .sum = sum,
                             .y = y,
                             .inv_std = inv_std});
    ops.norm_backward(shape, {.x = sum,
                              .weight = weight,
                              .inv_std = inv_std,
                              .dy = x,
                              .dsum = x,
                              .dx = dx,
                              .dweight = dweight});
    benchmark::ClobberMemory();
  }
}

void swiglu(benchmark::State& state, const TrainOps& ops, const TrainShape& s) {
  const kernels::SwigluShape shape{.rows = s.rows(), .hidden = s.hidden};
  const std::int64_t stride = 2 * s.hidden;
  const auto packed = random_floats(s.rows() * stride);
  const auto dout = random_floats(s.rows() * s.hidden);
  auto out = zeros(s.rows() * s.hidden), dpacked = zeros(s.rows() * stride);
  const std::span<const float> in(packed);
  const std::span<float> grads(dpacked);
  for (auto _ : state) {
    const auto gate = kernels::columns_from(in, stride, 0);
    const auto up = kernels::columns_from(in, stride, s.hidden);
    ops.swiglu_forward(shape, gate, up, {out, s.hidden});
    ops.swiglu_backward(shape, gate, up, {dout, s.hidden}, kernels::columns_from(grads, stride, 0),
                        kernels::columns_from(grads, stride, s.hidden));
    benchmark::ClobberMemory();
  }
}

void gelu(benchmark::State& state, const TrainOps& ops, const TrainShape& s) {
  const auto x = random_floats(s.rows() * s.hidden);
  auto y = zeros(s.rows() * s.hidden);
  for (auto _ : state) {
    ops.gelu_forward(x, y);
    ops.gelu_backward(x, x, y);
    benchmark::ClobberMemory();
  }
}

void column_sums(benchmark::State& state, const TrainOps& ops, const TrainShape& s) {
  const auto x = random_floats(s.rows() * s.width);
  auto sums = zeros(s.width);
  for (auto _ : state) {
    ops.column_sums(s.rows(), s.width, {x, s.width}, sums);
    benchmark::ClobberMemory();
  }
}

void cross_entropy(benchmark::State& state, const TrainOps& ops, const TrainShape& s) {
  const auto logits = random_floats(s.batch * kClasses);
  const auto target = random_floats(s.batch * kClasses);
  auto loss = zeros(s.batch), lse = zeros(s.batch), dlogits = zeros(s.batch * kClasses);
  const std::vector<float> dloss{1.0F};
  for (auto _ : state) {
    ops.cross_entropy_forward(kClasses, logits, {.dense = target}, loss, lse);
    ops.cross_entropy_backward(kClasses, logits, {.dense = target}, lse, dloss, dlogits);
    benchmark::ClobberMemory();
  }
}

void adamw(benchmark::State& state, const TrainOps& ops) {
  auto p = random_floats(kParameters), m = zeros(kParameters), v = zeros(kParameters);
  const auto g = random_floats(kParameters);
  for (auto _ : state) {
    ops.adamw_step({.weight_decay = 0.05}, p, m, v, g);
    benchmark::ClobberMemory();
  }
}

void add(const std::string& name, bool slow, std::function<void(benchmark::State&)> body) {
  auto* entry = benchmark::RegisterBenchmark(name.c_str(), std::move(body));
  entry->Unit(benchmark::kMicrosecond)->UseRealTime();
  if (slow) entry->Iterations(1);
}

void register_row(const TrainOps& ops) {
  const std::string isa(kernels::isa_name(ops.isa));
  const bool slow = ops.isa == kernels::Isa::kReference;
  for (const TrainShape& s : kTrainShapes) {
    const auto op = [&](const std::string& name, auto body) {
      add(name + "/" + s.name + "/" + isa, slow,
          [&ops, &s, body](benchmark::State& state) { body(state, ops, s); });
    };
    const auto masked = [&](const std::string& name, const AttentionMask& mask) {
      op(name, [mask](benchmark::State& state, const TrainOps& o, const TrainShape& shape) {
        attention(state, o, shape, mask);
      });
    };
    masked("attention", {});
    masked("attention_soft_causal", {.kind = MaskKind::kSoftCausal});
    masked("attention_causal", {.kind = MaskKind::kCausal});
    op("attention_forward", attention_forward);
    op("add_rms_norm", rms_norm);
    op("swiglu", swiglu);
    op("gelu", gelu);
    op("column_sums", column_sums);
    op("cross_entropy", cross_entropy);
  }
  add("adamw/5.7M/" + isa, slow, [&ops](benchmark::State& state) { adamw(state, ops); });
}

}  // namespace
}  // namespace conopa::bench

int main(int argc, char** argv) {
  const char* wanted = std::getenv("CONOPA_BENCH_THREADS");
  if (wanted != nullptr) conopa::set_num_threads(std::atoi(wanted));
  for (const auto& ops : conopa::kernels::train_ops_table()) {
    if (ops.isa <= conopa::kernels::active_isa()) conopa::bench::register_row(ops);
  }
#ifdef CONOPA_BENCH_LIBTORCH
  conopa::bench::register_libtorch_chains(conopa::num_threads());
#endif
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
