// One transformer block of the libtorch executor.

#include <ATen/TensorOperators.h>
#include <ATen/ops/matmul.h>

#include "conopa/nn/encoder.h"
#include "nn/pass.h"
#include "nn/quantize.h"

namespace conopa::nn {

namespace names = arch::names;

namespace {

at::Tensor head_norm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  NormParameters norm{.kind = arch::Norm::kRms, .weight = weight, .bias = {}, .eps = eps};
  const Exec stock{.precision = Precision::kFp32, .ops = Ops::kStock};
  const std::int64_t Dh = x.size(-1);
  return add_norm(x.reshape({-1, Dh}), {}, norm, stock).second.view(x.sizes());
}

}  // namespace

at::Tensor Encoder::layer(const std::string& prefix, const at::Tensor& x, Pass& pass) const {
  if (spec_.quantization == arch::Quantization::kLsq) {
    return quantized_linear(parameters_, prefix, x, spec_, pass.options.training);
  }
  return linear(x, parameters_.require(prefix + ".weight"), parameters_.get(prefix + ".bias"),
                pass.options.exec);
}

at::Tensor Encoder::scaled(std::int64_t block, std::string_view scale,
                           const at::Tensor& branch) const {
  if (spec_.layer_scale <= 0.0) return branch;
  return branch * parameters_.require(names::block(block, scale));
}

at::Tensor Encoder::explicit_attention(std::int64_t block, const at::Tensor& qkv,
                                       Pass& pass) const {
  const AttentionConstants& c = pass.attention;
  std::vector<at::Tensor> heads = qkv.view({pass.batch, pass.tokens, 3, c.heads, c.head_dim})
                                      .permute({2, 0, 3, 1, 4})
                                      .unbind(0);  // three of [B, H, N, Dh]
  if (c.cos.defined()) {
    for (std::size_t i = 0; i < 2; ++i) heads[i] = rotate(heads[i], c.cos, c.sin);
  }
  if (spec_.qk_norm == arch::QkNorm::kRmsAfterRotary) {
    const auto weight = [&](std::string_view name) {
      return parameters_.require(names::block(block, name) + ".weight");
    };
    heads[0] = head_norm(heads[0], weight(names::kQueryNorm), spec_.norm_eps);
    heads[1] = head_norm(heads[1], weight(names::kKeyNorm), spec_.norm_eps);
  }
  const auto quantize = [&](std::string_view act, const at::Tensor& x) {
    if (spec_.quantization != arch::Quantization::kLsq) return x;
    return quantize_heads(parameters_, names::block(block, act), x, spec_, pass.options.training);
  };
  heads[0] = quantize(names::kQueryAct, heads[0]);
  heads[1] = quantize(names::kKeyAct, heads[1]);
  heads[2] = quantize(names::kValueAct, heads[2]);
  at::Tensor weights = attention_weights(heads[0], heads[1], c);
  if (pass.options.capture != nullptr) {
    (*pass.options.capture)[fmt::format("block{}_attn_map", block)] = weights.detach();
  }
  weights = quantize(names::kMapAct, weights);
  return at::matmul(weights.to(heads[2].scalar_type()), heads[2])
      .transpose(1, 2)
      .reshape({pass.batch * pass.tokens, spec_.dim});
}

at::Tensor Encoder::attention_branch(std::int64_t block, const at::Tensor& y, Pass& pass) const {
  const at::Tensor qkv = layer(names::block(block, names::kQkv), y, pass);
  const bool by_hand = pass.options.capture != nullptr ||
                       spec_.quantization != arch::Quantization::kNone ||
                       spec_.qk_norm != arch::QkNorm::kNone;
  const at::Tensor mixed = by_hand ? explicit_attention(block, qkv, pass)
                                   : attention(qkv, pass.tokens, pass.attention, pass.options.exec);
  const at::Tensor out = layer(names::block(block, names::kProj), mixed, pass);
  pass.keep(fmt::format("block{}_attn_out", block), out);
  return scaled(block, names::kScale1, out);
}

at::Tensor Encoder::mlp_branch(std::int64_t block, const at::Tensor& y, Pass& pass) const {
  const at::Tensor up = layer(names::block(block, names::kUp), y, pass);
  const at::Tensor hidden =
      spec_.mlp == arch::Mlp::kSwiglu
          ? swiglu(layer(names::block(block, names::kGate), y, pass), up, pass.options.exec)
          : gelu(up, pass.options.exec);
  const at::Tensor out = layer(names::block(block, names::kDown), hidden, pass);
  pass.keep(fmt::format("block{}_mlp_out", block), out);
  return scaled(block, names::kScale2, out);
}

void Encoder::run_block(std::int64_t block, at::Tensor& x, Branch& pending, Pass& pass) const {
  auto [stream, y] =
      add_norm(x, pending, norm(names::block(block, names::kNorm1)), pass.options.exec);
  const Branch mixed{.value = attention_branch(block, y, pass),
                     .sample_scale = pass.drop_scale(block, 0, spec_.depth)};
  std::tie(x, y) =
      add_norm(stream, mixed, norm(names::block(block, names::kNorm2)), pass.options.exec);
  pending = {.value = mlp_branch(block, y, pass),
             .sample_scale = pass.drop_scale(block, 1, spec_.depth)};
  if (pass.options.capture != nullptr) {
    const at::Tensor scale = pending.sample_scale.defined()
                                 ? pending.sample_scale.view({pass.batch, 1, 1})
                                 : at::Tensor();
    at::Tensor added = pending.value.view({pass.batch, pass.tokens, spec_.dim});
    if (scale.defined()) added = added * scale;
    pass.keep(fmt::format("block{}_out", block),
              x + added.reshape({pass.batch * pass.tokens, spec_.dim}));
  }
}

void Encoder::run_block_checkpointed(std::int64_t block, at::Tensor& x, Branch& pending,
                                     Pass& pass) const {
  const at::Tensor scale_in = pending.sample_scale;
  // The pass outlives this forward call only through the closure, which therefore copies it.
  const ForwardOptions options = pass.options;
  const std::int64_t batch = pass.batch;
  const auto body = [this, block, options, batch, scale_in, drop_path = pass.drop_path,
                     constants = pass.attention](const std::vector<at::Tensor>& inputs) {
    Pass again{.options = options,
               .batch = batch,
               .tokens = spec_.num_tokens(),
               .drop_path = drop_path,
               .attention = constants};
    at::Tensor stream = inputs[0];
    Branch branch;
    if (inputs.size() > 1) branch = {.value = inputs[1], .sample_scale = scale_in};
    run_block(block, stream, branch, again);
    return std::vector<at::Tensor>{stream, branch.value};
  };
  std::vector<at::Tensor> inputs{x};
  if (pending.value.defined()) inputs.push_back(pending.value);
  std::vector<at::Tensor> outputs = checkpoint(body, inputs);
  x = outputs[0];
  pending = {.value = outputs[1], .sample_scale = pass.drop_scale(block, 1, spec_.depth)};
}

at::Tensor Encoder::run_last_block_for_token(at::Tensor x, Branch pending, Pass& pass) const {
  const std::int64_t block = spec_.depth - 1;
  const std::int64_t D = spec_.dim;
  const std::int64_t at = spec_.class_token_index();
  const Exec& exec = pass.options.exec;
  const auto token_of = [&](const at::Tensor& rows) {
    return rows.view({pass.batch, pass.tokens, D}).select(1, at).contiguous();
  };
  auto [stream, y] = add_norm(x, pending, norm(names::block(block, names::kNorm1)), exec);

  const std::string qkv = names::block(block, names::kQkv);
  const at::Tensor& weight = parameters_.require(qkv + ".weight");
  const at::Tensor bias = parameters_.get(qkv + ".bias");
  const auto part = [](const at::Tensor& t, std::int64_t from, std::int64_t count) {
    return t.defined() ? t.narrow(0, from, count) : t;
  };
  const at::Tensor q = linear(token_of(y), part(weight, 0, D), part(bias, 0, D), exec);
  const at::Tensor kv = linear(y, part(weight, D, 2 * D), part(bias, D, 2 * D), exec);
  const at::Tensor mixed = read_attention(q, kv, pass.tokens, at, pass.attention, exec);
  const Branch attended{
      .value = scaled(block, names::kScale1, layer(names::block(block, names::kProj), mixed, pass)),
      .sample_scale = pass.drop_scale(block, 0, spec_.depth)};

  at::Tensor token = token_of(stream);
  std::tie(token, y) = add_norm(token, attended, norm(names::block(block, names::kNorm2)), exec);
  const Branch fed{.value = mlp_branch(block, y, pass),
                   .sample_scale = pass.drop_scale(block, 1, spec_.depth)};
  return add_norm(token, fed, norm(std::string(names::kFinalNorm)), exec).second;
}

}  // namespace conopa::nn
