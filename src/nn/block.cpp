#include "nn/block.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>

#include <tuple>

#include "conopa/core/rng.h"
#include "conopa/nn/convert.h"
#include "nn/quantize.h"

namespace conopa::nn {

namespace names = arch::names;

at::Tensor Pass::drop_scale(std::int64_t block, std::int64_t branch) const {
  const double rate = spec.drop_path_of(block, drop_path);
  const bool spared = branch == 1 && spec.drop_path_branches == arch::DropBranches::kAttention;
  if (!options.training || rate <= 0.0 || spared) return {};
  Rng rng(options.random.seed, RngPurpose::kDropPath, options.random.step,
          static_cast<std::uint64_t>(2 * block + branch));
  at::Tensor scale = at::empty({batch}, at::TensorOptions().dtype(at::kFloat));
  const auto kept = static_cast<float>(1.0 / (1.0 - rate));
  for (float& value : floats(scale)) value = rng.bernoulli(rate) ? 0.0F : kept;
  return scale;
}

NormParameters norm_of(const Parameters& parameters, const std::string& prefix, arch::Norm kind,
                       double eps) {
  return {.kind = kind,
          .weight = parameters.require(prefix + ".weight"),
          .bias = parameters.get(prefix + ".bias"),
          .eps = eps};
}

NormParameters Block::norm(std::string_view layer) const {
  return norm_of(parameters_, spec_.name(layer), spec_.norm, spec_.norm_eps);
}

at::Tensor Block::layer(std::string_view name, const at::Tensor& x, const Pass& pass) const {
  const std::string prefix = spec_.name(name);
  if (spec_.quantization == arch::Quantization::kLsq) {
    return quantized_linear(parameters_, prefix, x, pass.spec, pass.options.training);
  }
  const at::Tensor out = linear(x, parameters_.value(prefix + ".weight"),
                                parameters_.get(prefix + ".bias"), pass.options.exec);
  if (spec_.lora_rank == 0) return out;
  if (name == names::kQkv) return out + lora_branch(names::kQkvLora, x, pass);
  if (name == names::kProj) return out + lora_branch(names::kProjLora, x, pass);
  return out;
}

at::Tensor Block::lora_branch(std::string_view name, const at::Tensor& x, const Pass& pass) const {
  const at::Tensor& a = parameters_.require(spec_.name(name) + "_A");
  const at::Tensor& b = parameters_.require(spec_.name(name) + "_B");
  const std::int64_t rank = spec_.lora_rank;
  const auto part = [&](std::int64_t i) {
    const at::Tensor low = linear(x, a.narrow(0, i * rank, rank), {}, pass.options.exec);
    return linear(low, b.narrow(0, i * spec_.dim, spec_.dim), {}, pass.options.exec);
  };
  const double factor = spec_.lora_alpha / static_cast<double>(rank);
  if (name == names::kProjLora) return part(0) * factor;
  const at::Tensor queries = part(0);  // keys have no branch
  return at::cat({queries, at::zeros_like(queries), part(1)}, 1) * factor;
}

at::Tensor Block::scaled(std::string_view scale, const at::Tensor& branch) const {
  if (spec_.layer_scale <= 0.0) return branch;
  return branch * parameters_.require(spec_.name(scale));
}

AttentionConstants Block::constants(const Pass& pass) const {
  return {.heads = spec_.heads,
          .head_dim = spec_.head_dim(),
          .mask = spec_.mask,
          .mask_rate = pass.mask_rate,
          .rotation = spec_.rotary ? pass.rotation : Rotation{},
          .prefix = pass.options.prefix,
          .keys_seen = pass.keys_seen};
}

at::Tensor Block::attention_branch(const at::Tensor& y, const Pass& pass) const {
  const at::Tensor mixed = spec_.window > 0         ? window_attention(y, pass)
                           : spec_.separate_queries ? pooled_attention(y, pass)
                                                    : whole_attention(y, pass);
  const at::Tensor out = layer(names::kProj, mixed, pass);
  if (pass.captures()) pass.keep(spec_.label + "_attn_out", out);
  return scaled(names::kScale1, out);
}

at::Tensor Block::activated(const at::Tensor& up, const at::Tensor& y, const Pass& pass) const {
  switch (spec_.mlp) {
    case arch::Mlp::kSwiglu:
      return swiglu(layer(names::kGate, y, pass), up, pass.options.exec);
    case arch::Mlp::kRelu:
      return at::relu(up);
    case arch::Mlp::kGelu:
      break;
  }
  return gelu(up, pass.options.exec);
}

at::Tensor Block::mlp_branch(const at::Tensor& y, const Pass& pass) const {
  const at::Tensor up = layer(names::kUp, y, pass);
  const at::Tensor hidden = activated(up, y, pass);
  const at::Tensor out = layer(names::kDown, hidden, pass);
  if (pass.captures()) pass.keep(spec_.label + "_mlp_out", out);
  return scaled(names::kScale2, out);
}

void Block::run_post_norm(at::Tensor& x, Branch& pending, const Pass& pass) const {
  const Exec& exec = pass.options.exec;
  x = add_branch(x, pending);
  pending = {};
  if (spec_.mixer == arch::Mixer::kAttention) {
    x = add_norm(x, {.value = attention_branch(x, pass), .sample_scale = {}}, norm(names::kNorm1),
                 exec)
            .second;
  }
  x = add_norm(x, {.value = mlp_branch(x, pass), .sample_scale = {}}, norm(names::kNorm2), exec)
          .second;
  pass.keep(spec_.label + "_out", x);
}

void Block::run(at::Tensor& x, Branch& pending, const Pass& pass) const {
  if (spec_.post_norm) return run_post_norm(x, pending, pass);
  const Exec& exec = pass.options.exec;
  at::Tensor y;
  if (spec_.mixer == arch::Mixer::kNone) {
    std::tie(x, y) = add_norm(x, pending, norm(names::kNorm2), exec);
  } else {
    auto [stream, normed] = add_norm(x, pending, norm(names::kNorm1), exec);
    const bool attends = spec_.mixer == arch::Mixer::kAttention;
    const Branch mixed{.value = attends ? attention_branch(normed, pass) : normed,
                       .sample_scale = pass.drop_scale(spec_.index, 0)};
    std::tie(x, y) = add_norm(stream, mixed, norm(names::kNorm2), exec);
  }
  pending = {.value = mlp_branch(y, pass), .sample_scale = pass.drop_scale(spec_.index, 1)};
  if (pass.captures()) pass.keep(spec_.label + "_out", add_branch(x, pending));
}

void Block::run_checkpointed(at::Tensor& x, Branch& pending, const Pass& pass) const {
  // The pass outlives this forward call only through the closure, which therefore copies it.
  const ForwardOptions options = pass.options;
  const auto body = [block = *this, options, kept = pass,
                     scale_in = pending.sample_scale](const std::vector<at::Tensor>& inputs) {
    const Pass again{.options = options,
                     .spec = kept.spec,
                     .batch = kept.batch,
                     .tokens = kept.tokens,
                     .drop_path = kept.drop_path,
                     .mask_rate = kept.mask_rate,
                     .rotation = kept.rotation,
                     .tables = kept.tables};
    at::Tensor stream = inputs[0];
    Branch branch;
    if (inputs.size() > 1) branch = {.value = inputs[1], .sample_scale = scale_in};
    block.run(stream, branch, again);
    return std::vector<at::Tensor>{stream, branch.value};
  };
  std::vector<at::Tensor> inputs{x};
  if (pending.value.defined()) inputs.push_back(pending.value);
  std::vector<at::Tensor> outputs = checkpoint(body, inputs);
  x = outputs[0];
  pending = {.value = outputs[1], .sample_scale = pass.drop_scale(spec_.index, 1)};
}

std::pair<at::Tensor, Branch> Block::run_for_token(const at::Tensor& x, const Branch& pending,
                                                   std::int64_t token, const Pass& pass) const {
  const std::int64_t D = spec_.dim;
  const Exec& exec = pass.options.exec;
  const auto token_of = [&](const at::Tensor& rows) {
    return rows.view({pass.batch, pass.tokens, D}).select(1, token).contiguous();
  };
  auto [stream, y] = add_norm(x, pending, norm(names::kNorm1), exec);

  const at::Tensor weight = parameters_.value(spec_.name(names::kQkv) + ".weight");
  const at::Tensor bias = parameters_.get(spec_.name(names::kQkv) + ".bias");
  const auto part = [](const at::Tensor& t, std::int64_t from, std::int64_t count) {
    return t.defined() ? t.narrow(0, from, count) : t;
  };
  const at::Tensor q = linear(token_of(y), part(weight, 0, D), part(bias, 0, D), exec);
  const at::Tensor kv = linear(y, part(weight, D, 2 * D), part(bias, D, 2 * D), exec);
  AttentionConstants c = constants(pass);
  const Rotation keys = c.rotation;
  c.rotation = keys.at(token);
  const at::Tensor mixed = cross_attention(q, kv, pass.tokens, c, keys, exec);
  const Branch attended{.value = scaled(names::kScale1, layer(names::kProj, mixed, pass)),
                        .sample_scale = pass.drop_scale(spec_.index, 0)};

  return feed_token(token_of(stream), attended, pass);
}

std::pair<at::Tensor, Branch> Block::feed_token(const at::Tensor& token, const Branch& attended,
                                                const Pass& pass) const {
  const auto [out, y] = add_norm(token, attended, norm(names::kNorm2), pass.options.exec);
  return {out, {.value = mlp_branch(y, pass), .sample_scale = pass.drop_scale(spec_.index, 1)}};
}

}  // namespace conopa::nn
