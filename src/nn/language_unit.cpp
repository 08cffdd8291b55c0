#include "nn/language_unit.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/einsum.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>

#include <cmath>
#include <limits>

#include "conopa/core/error.h"
#include "conopa/nn/language_block.h"
#include "nn/block.h"

namespace conopa::nn {

namespace names = arch::names;

// The language block has no rotation, no prefix and drops no branches.
Pass LanguageUnit::own_pass(const Pass& pass) const {
  return {.options = pass.options,
          .spec = spec_,
          .batch = pass.batch,
          .tokens = pass.tokens,
          .keys_seen = pass.options.keys_seen};
}

at::Tensor LanguageUnit::map(std::string_view mapper, const at::Tensor& rows,
                             const Pass& pass) const {
  return linear(rows, parameters_.require(std::string(mapper) + ".weight"), {}, pass.options.exec);
}

at::Tensor LanguageUnit::last_norm(const at::Tensor& x, const Branch& pending,
                                   const Pass& pass) const {
  if (!spec_.llm.final_norm) return add_branch(x, pending);
  const NormParameters norm =
      norm_of(parameters_, std::string(names::kLanguageNorm), spec_.llm.norm, spec_.llm.norm_eps);
  return add_norm(x, pending, norm, pass.options.exec).second;
}

at::Tensor LanguageUnit::run(const at::Tensor& rows, const Pass& outer) const {
  const Pass pass = own_pass(outer);
  pass.keep("encoder_out", rows);
  at::Tensor x = map(names::kLanguageIn, rows, pass);
  pass.keep("llm_mapper1", x);
  if (!spec_.llm.has_blocks()) {
    const NormParameters norm = norm_of(parameters_, std::string(names::kLanguageNorm),
                                        arch::Norm::kLayer, spec_.llm.norm_eps);
    x = add_norm(gelu(x, pass.options.exec), {}, norm, pass.options.exec).second;
  } else {
    Branch pending;
    for (const arch::BlockSpec& described : blocks_) {
      const Block block(described, parameters_);
      if (pass.options.checkpoint_blocks && pass.options.training && !pass.captures()) {
        block.run_checkpointed(x, pending, pass);
      } else {
        block.run(x, pending, pass);
      }
    }
    x = last_norm(x, pending, pass);
  }
  pass.keep("llm_norm", x);
  const at::Tensor out = map(names::kLanguageOut, x, pass);
  pass.keep("llm_mapper2", out);
  return out;
}

at::Tensor LanguageUnit::run_for_token(const at::Tensor& rows, std::int64_t token,
                                       const Pass& outer) const {
  Pass pass = own_pass(outer);
  const auto own = [&](const at::Tensor& all) {
    return all.view({pass.batch, pass.tokens, -1}).select(1, token).contiguous();
  };
  if (!spec_.llm.mixes_tokens()) {
    pass.tokens = 1;
    return run(own(rows), pass);
  }
  if (arch::folds_language_block(spec_)) {
    const auto [x, pending] = folded(rows, token, pass);
    return map(names::kLanguageOut, last_norm(x, pending, pass), pass);
  }
  at::Tensor x = map(names::kLanguageIn, rows, pass);
  Branch pending;
  for (std::size_t i = 0; i + 1 < blocks_.size(); ++i) {
    Block(blocks_[i], parameters_).run(x, pending, pass);
  }
  const Block last(blocks_.back(), parameters_);
  if (spec_.llm.post_norm) {
    last.run(x, pending, pass);
    return map(names::kLanguageOut, last_norm(own(x), {}, pass), pass);
  }
  const auto [one, fed] = last.run_for_token(x, pending, token, pass);
  return map(names::kLanguageOut, last_norm(one, fed, pass), pass);
}

// What the norm in front of the attention multiplies each mapped token A·z by, [B, N], out of the
// Gram matrix of A instead of A·z itself.
at::Tensor LanguageUnit::norm_factor(const at::Tensor& z) const {
  const auto D = static_cast<double>(spec_.llm.dim);
  at::Tensor a = parameters_.require(std::string(names::kLanguageIn) + ".weight");
  if (spec_.llm.norm == arch::Norm::kLayer) a = a - a.mean(0, true);
  const at::Tensor gram = at::matmul(a.t(), a) / D;
  return ((at::matmul(z, gram) * z).sum(-1).clamp_min(0) + spec_.llm.norm_eps).rsqrt();
}

// See arch::folds_language_block. With queries q, key matrix K, value matrix V of head h, mapper A
// and norm weight w: score_j = r_j · z_j · Aᵀ(w ⊙ Kᵀq), output = V(w ⊙ A Σ p_j r_j z_j). Biases of
// keys and of the norm add the same number to all scores and drop out of the softmax.
std::pair<at::Tensor, Branch> LanguageUnit::folded(const at::Tensor& rows, std::int64_t token,
                                                   const Pass& pass) const {
  const arch::BlockSpec& block = blocks_.front();
  const Exec& exec = pass.options.exec;
  const std::int64_t B = pass.batch;
  const std::int64_t D = block.dim;
  const std::int64_t H = block.heads;
  const std::int64_t W = block.head_dim();
  const at::Tensor z = rows.view({B, pass.tokens, spec_.dim});
  const NormParameters norm =
      norm_of(parameters_, block.name(names::kNorm1), block.norm, block.norm_eps);
  at::Tensor a = parameters_.require(std::string(names::kLanguageIn) + ".weight");
  const at::Tensor x = map(names::kLanguageIn, z.select(1, token).contiguous(), pass);
  const at::Tensor u = add_norm(x, {}, norm, exec).second;
  if (block.norm == arch::Norm::kLayer) a = a - a.mean(0, true);  // the norm's subtraction

  const at::Tensor qkv = parameters_.value(block.name(names::kQkv) + ".weight");
  const at::Tensor bias = parameters_.get(block.name(names::kQkv) + ".bias");
  const auto part = [D](const at::Tensor& t, std::int64_t i) {
    return t.defined() ? t.narrow(0, i * D, D) : t;
  };
  const at::Tensor q = linear(u, part(qkv, 0), part(bias, 0), exec);
  // [H, B, W] x [H, W, D] → [H, B, D]
  const at::Tensor way =
      at::bmm(q.view({B, H, W}).transpose(0, 1), part(qkv, 1).view({H, W, D})) * norm.weight;
  const at::Tensor target = at::matmul(way, a).transpose(0, 1);  // [B, H, C]
  const at::Tensor factor = norm_factor(z).unsqueeze(1);         // [B, 1, N]
  at::Tensor scores =
      at::bmm(target, z.transpose(1, 2)) * factor / std::sqrt(static_cast<double>(W));
  if (pass.keys_seen.defined()) {
    scores = scores.masked_fill(pass.keys_seen.logical_not().unsqueeze(1),
                                -std::numeric_limits<double>::infinity());
  }
  const at::Tensor sums = at::bmm(scores.softmax(-1) * factor, z);           // [B, H, C]
  at::Tensor mixed = at::matmul(sums.transpose(0, 1), a.t()) * norm.weight;  // [H, B, D]
  if (norm.bias.defined()) mixed = mixed + norm.bias;
  mixed = at::bmm(mixed, part(qkv, 2).view({H, W, D}).transpose(1, 2));  // [H, B, W]
  mixed = mixed.transpose(0, 1).reshape({B, D});
  if (bias.defined()) mixed = mixed + part(bias, 2);
  const Block whole(block, parameters_);
  return whole.feed_token(x, {.value = whole.layer(names::kProj, mixed, pass), .sample_scale = {}},
                          pass);
}

void check_keys(const at::Tensor& keys, std::int64_t batch, std::int64_t tokens) {
  if (!keys.defined()) return;
  if (keys.dim() != 2 || keys.size(0) != batch || keys.size(1) != tokens ||
      keys.scalar_type() != at::kBool) {
    throw ShapeError("encoder", "expected a key mask [{}, {}] bool, found {}", batch, tokens,
                     to_string(keys.sizes().vec()));
  }
  if (!keys.any(1).all().item<bool>()) {
    throw ShapeError("encoder", "expected a token to see in every sample, found one with none");
  }
}

at::Tensor language_block(const arch::EncoderSpec& spec, const Parameters& parameters,
                          const at::Tensor& z, const ForwardOptions& options) {
  if (z.dim() != 3 || z.size(2) != spec.dim) {
    throw ShapeError("language block", "expected tokens [B, N, {}], found {}", spec.dim,
                     to_string(z.sizes().vec()));
  }
  check_keys(options.keys_seen, z.size(0), z.size(1));
  const std::vector<arch::BlockSpec> blocks = arch::language_blocks(spec);
  const Pass pass{.options = options, .spec = spec, .batch = z.size(0), .tokens = z.size(1)};
  const AutocastScope autocast = autocast_of(z, options.exec);
  return LanguageUnit(spec, blocks, parameters)
      .run(z.reshape({-1, spec.dim}), pass)
      .view({z.size(0), z.size(1), spec.dim});
}

}  // namespace conopa::nn
