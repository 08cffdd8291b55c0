#include "conopa/kernels/attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/logical_or.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tril.h>

#include <cmath>
#include <limits>

#include "nn/ops/common.h"

namespace conopa::nn {
namespace {

kernels::MaskKind mask_kind(const AttentionConstants& c) {
  switch (c.mask) {
    case arch::Mask::kBidirectional:
      return kernels::MaskKind::kNone;
    case arch::Mask::kCausal:
      return kernels::MaskKind::kCausal;
    case arch::Mask::kCausalFirstOpen:
      return kernels::MaskKind::kCausalFirstOpen;
    case arch::Mask::kSoftCausal:
      return kernels::MaskKind::kSoftCausal;
    case arch::Mask::kPrefixCausal:
      return c.prefix.defined() ? kernels::MaskKind::kPrefixCausal : kernels::MaskKind::kNone;
  }
  return kernels::MaskKind::kNone;
}

kernels::RopeTable rope_table(const Rotation& rotation) {
  if (!rotation.defined()) return {};
  const std::int64_t table = rotation.cos.size(2) * rotation.cos.size(3);
  const std::int64_t heads = rotation.cos.size(1);
  return {.cos = floats(rotation.cos),
          .sin = floats(rotation.sin),
          .head_stride = heads > 1 ? table : 0,
          .batch_stride = rotation.cos.size(0) > 1 ? heads * table : 0};
}

// The kernel's view of the saved tensors. `packed` is [B·N, 3·D], or q is [B·Nq, D] and the second
// tensor [B·Nk, 2·D].
struct Call {
  kernels::AttentionShape shape;
  kernels::AttentionMask mask;
  at::Tensor q_buffer, kv_buffer;
  Rotation queries, keys;
  std::vector<std::int64_t> dims;  // the mask's prefixes lie in it

  [[nodiscard]] std::int64_t width() const { return shape.heads * shape.head_width; }
  [[nodiscard]] bool packed() const { return !kv_buffer.defined(); }

  [[nodiscard]] kernels::AttentionInput input() const {
    const std::int64_t D = width();
    const float scale = 1.0F / std::sqrt(static_cast<float>(shape.head_width));
    if (packed()) {
      return kernels::packed_attention(shape, floats(q_buffer), scale, mask, rope_table(queries));
    }
    const std::span<const float> kv = floats(kv_buffer);
    return {.shape = shape,
            .q = {floats(q_buffer), D},
            .k = kernels::columns_from(kv, 2 * D, 0),
            .v = kernels::columns_from(kv, 2 * D, D),
            .scale = scale,
            .mask = mask,
            .rope_q = rope_table(queries),
            .rope_k = rope_table(keys)};
  }

  [[nodiscard]] kernels::AttentionGrads grads(const at::Tensor& dq, const at::Tensor& dkv) const {
    const std::int64_t D = width();
    if (packed()) return kernels::packed_attention_grads(shape, floats(dq));
    return {.dq = {floats(dq), D},
            .dk = kernels::columns_from(floats(dkv), 2 * D, 0),
            .dv = kernels::columns_from(floats(dkv), 2 * D, D)};
  }
};

// Tables: cosines and sines of the queries, of the keys; none are differentiable.
class AttentionFunction : public torch::autograd::Function<AttentionFunction> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& q, const OptionalTensor& kv_in,
                            const OptionalTensor& cos_q, const OptionalTensor& sin_q,
                            const OptionalTensor& cos_k, const OptionalTensor& sin_k,
                            const std::vector<std::int64_t>& dims, double alpha) {
    const variable_list saved{q,
                              value_or_undefined(kv_in),
                              value_or_undefined(cos_q),
                              value_or_undefined(sin_q),
                              value_or_undefined(cos_k),
                              value_or_undefined(sin_k)};
    const Call call = make(saved, dims, alpha);
    const auto& s = call.shape;
    at::Tensor out = at::empty({s.batch * s.queries, call.width()}, q.options());
    at::Tensor lse = at::empty({s.batch, s.heads, s.queries}, q.options());
    kernels::attention_forward(call.input(), {.out = floats(out), .lse = floats(lse), .map = {}});
    variable_list kept = saved;
    kept.push_back(lse);
    ctx->save_for_backward(kept);
    ctx->saved_data["dims"] = dims;
    ctx->saved_data["alpha"] = alpha;
    return out;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    const Call call =
        make(saved, ctx->saved_data["dims"].toIntVector(), ctx->saved_data["alpha"].toDouble());
    const at::Tensor dout = grads[0].contiguous();
    variable_list result(8);
    result[0] = at::empty_like(saved[0]);
    if (saved[1].defined()) result[1] = at::empty_like(saved[1]);
    kernels::attention_backward(call.input(), floats(dout), floats(saved[6]),
                                call.grads(result[0], result[1]));
    return result;
  }

 private:
  // dims: batch, queries, keys, heads, head width, mask, prefixes
  static Call make(const variable_list& tensors, const std::vector<std::int64_t>& dims,
                   double alpha) {
    Call call{.shape = {.batch = dims[0],
                        .queries = dims[1],
                        .keys = dims[2],
                        .heads = dims[3],
                        .head_width = dims[4]},
              .mask = {.kind = static_cast<kernels::MaskKind>(dims[5]),
                       .alpha = static_cast<float>(alpha),
                       .prefix = {}},
              .q_buffer = tensors[0],
              .kv_buffer = tensors[1],
              .queries = {tensors[2], tensors[3]},
              .keys = {tensors[4], tensors[5]},
              .dims = dims};
    call.mask.prefix = std::span<const std::int64_t>(call.dims).subspan(kFixedDims);
    return call;
  }

  static constexpr std::size_t kFixedDims = 6;
};

// [rows, parts·D] → parts tensors of [B, H, N, Dh]
std::vector<at::Tensor> split_heads(const at::Tensor& x, std::int64_t tokens, std::int64_t parts,
                                    const AttentionConstants& c) {
  const std::int64_t B = x.size(0) / tokens;
  return x.view({B, tokens, parts, c.heads, c.head_dim}).permute({2, 0, 3, 1, 4}).unbind(0);
}

at::Tensor merge_heads(const at::Tensor& x) {  // [B, H, N, Dh] → [B·N, D]
  return x.transpose(1, 2).reshape({x.size(0) * x.size(2), x.size(1) * x.size(3)});
}

// [N, N], or [B, 1, N, N] with prefixes: 1 where a query sees a key.
at::Tensor visible(const AttentionConstants& c, std::int64_t N, const at::TensorOptions& options) {
  at::Tensor open = at::ones({N, N}, options).tril();
  if (c.mask == arch::Mask::kPrefixCausal) {
    const at::Tensor prefix = c.prefix.to(options.device()).view({-1, 1, 1, 1});
    const at::Tensor keys = at::arange(N, prefix.options());
    return at::logical_or(open.gt(0), keys < prefix).to(open.scalar_type());
  }
  if (c.mask == arch::Mask::kCausalFirstOpen) open.select(0, 0).fill_(1.0);
  return open;
}

}  // namespace

Rotation Rotation::at(std::int64_t token) const {
  if (!defined()) return {};
  return {cos.narrow(2, token, 1).contiguous(), sin.narrow(2, token, 1).contiguous()};
}

Rotation Rotation::gather(const at::Tensor& tokens) const {
  if (!defined()) return {};
  const std::int64_t B = tokens.size(0);
  const auto chosen = [&](const at::Tensor& table) {
    // [1, H, N, half] → [H, B·K, half] → [B, H, K, half]
    const std::int64_t H = table.size(1);
    return table.squeeze(0)
        .index_select(1, tokens.reshape({-1}))
        .view({H, B, tokens.size(1), table.size(3)})
        .transpose(0, 1)
        .contiguous();
  };
  return {chosen(cos), chosen(sin)};
}

at::Tensor rotate(const at::Tensor& x, const Rotation& rotation) {
  if (!rotation.defined()) return x;
  const at::Tensor wide = x.scalar_type() == at::kDouble ? x : x.to(at::kFloat);
  const at::Tensor pairs = wide.unflatten(-1, {x.size(-1) / 2, 2});
  const at::Tensor a = pairs.select(-1, 0);
  const at::Tensor b = pairs.select(-1, 1);
  const at::Tensor& cos = rotation.cos;
  const at::Tensor& sin = rotation.sin;
  return at::stack({a * cos - b * sin, a * sin + b * cos}, -1).flatten(-2).to(x.scalar_type());
}

at::Tensor attention_weights(const at::Tensor& q, const at::Tensor& k,
                             const AttentionConstants& c) {
  const double scale = 1.0 / std::sqrt(static_cast<double>(c.head_dim));
  at::Tensor scores = at::matmul(q, k.transpose(-2, -1)) * scale;
  if (scores.scalar_type() != at::kDouble) scores = scores.to(at::kFloat);
  if (c.keys_seen.defined()) {
    const at::Tensor padded = c.keys_seen.logical_not().view({-1, 1, 1, k.size(2)});
    scores = scores.masked_fill(padded, -std::numeric_limits<double>::infinity());
  }
  const bool open_to_all = c.mask == arch::Mask::kBidirectional ||
                           (c.mask == arch::Mask::kPrefixCausal && !c.prefix.defined());
  if (open_to_all) return scores.softmax(-1);
  const at::Tensor open = visible(c, q.size(2), scores.options());
  if (c.mask == arch::Mask::kSoftCausal) {
    return scores.softmax(-1) * (open * (1.0 - c.mask_rate) + c.mask_rate);
  }
  return scores.masked_fill(open == 0, -std::numeric_limits<double>::infinity()).softmax(-1);
}

at::Tensor attention(const at::Tensor& qkv, std::int64_t tokens, const AttentionConstants& c,
                     const Exec& exec) {
  if (use_fused(qkv, exec) && !c.keys_seen.defined()) {
    std::vector<std::int64_t> dims{qkv.size(0) / tokens,
                                   tokens,
                                   tokens,
                                   c.heads,
                                   c.head_dim,
                                   static_cast<std::int64_t>(mask_kind(c))};
    if (c.prefix.defined() && c.mask == arch::Mask::kPrefixCausal) {
      const std::vector<std::int64_t> prefix = to_host(c.prefix).to_i64();
      dims.insert(dims.end(), prefix.begin(), prefix.end());
    }
    return AttentionFunction::apply(qkv.contiguous(), OptionalTensor(), optional(c.rotation.cos),
                                    optional(c.rotation.sin), OptionalTensor(), OptionalTensor(),
                                    dims, c.mask_rate);
  }
  std::vector<at::Tensor> heads = split_heads(qkv, tokens, 3, c);
  for (std::size_t i = 0; i < 2; ++i) heads[i] = rotate(heads[i], c.rotation);
  const at::Tensor weights = attention_weights(heads[0], heads[1], c);
  return merge_heads(at::matmul(weights.to(heads[2].scalar_type()), heads[2]));
}

at::Tensor cross_attention(const at::Tensor& q, const at::Tensor& kv, std::int64_t keys,
                           const AttentionConstants& c, const Rotation& key_rotation,
                           const Exec& exec) {
  const std::int64_t batch = kv.size(0) / keys;
  const std::int64_t queries = q.size(0) / batch;
  if (use_fused(q, exec) && !c.keys_seen.defined()) {
    const std::vector<std::int64_t> dims{
        batch,   queries,    keys,
        c.heads, c.head_dim, static_cast<std::int64_t>(kernels::MaskKind::kNone)};
    return AttentionFunction::apply(q.contiguous(), optional(kv.contiguous()),
                                    optional(c.rotation.cos), optional(c.rotation.sin),
                                    optional(key_rotation.cos), optional(key_rotation.sin), dims,
                                    0.0);
  }
  const at::Tensor query = rotate(split_heads(q, queries, 1, c)[0], c.rotation);
  std::vector<at::Tensor> heads = split_heads(kv, keys, 2, c);
  heads[0] = rotate(heads[0], key_rotation);
  AttentionConstants open = c;
  open.mask = arch::Mask::kBidirectional;
  const at::Tensor weights = attention_weights(query, heads[0], open);
  return merge_heads(at::matmul(weights.to(heads[1].scalar_type()), heads[1]));
}

}  // namespace conopa::nn
