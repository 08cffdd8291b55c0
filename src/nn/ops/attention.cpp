#include "conopa/kernels/attention.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
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

kernels::MaskKind mask_kind(arch::Mask mask) {
  switch (mask) {
    case arch::Mask::kBidirectional:
      return kernels::MaskKind::kNone;
    case arch::Mask::kCausal:
      return kernels::MaskKind::kCausal;
    case arch::Mask::kCausalFirstOpen:
      return kernels::MaskKind::kCausalFirstOpen;
    case arch::Mask::kSoftCausal:
      return kernels::MaskKind::kSoftCausal;
  }
  return kernels::MaskKind::kNone;
}

// The kernel's view of the saved tensors. `packed` is [B·N, 3·D], or q is [B, D] and the second
// tensor [B·N, 2·D].
struct Call {
  kernels::AttentionShape shape;
  kernels::AttentionMask mask;
  at::Tensor q_buffer, kv_buffer, cos, sin;
  std::int64_t position = 0;

  [[nodiscard]] std::int64_t width() const { return shape.heads * shape.head_width; }
  [[nodiscard]] bool packed() const { return !kv_buffer.defined(); }

  [[nodiscard]] kernels::RopeTable rope(std::int64_t from) const {
    if (!cos.defined()) return {};
    const auto skip = static_cast<std::size_t>(from * (shape.head_width / 2));
    return {.cos = std::span<const float>(floats(cos)).subspan(skip),
            .sin = std::span<const float>(floats(sin)).subspan(skip)};
  }

  [[nodiscard]] kernels::AttentionInput input() const {
    const std::int64_t D = width();
    const float scale = 1.0F / std::sqrt(static_cast<float>(shape.head_width));
    if (packed()) return kernels::packed_attention(shape, floats(q_buffer), scale, mask, rope(0));
    const std::span<const float> kv = floats(kv_buffer);
    return {.shape = shape,
            .q = {floats(q_buffer), D},
            .k = kernels::columns_from(kv, 2 * D, 0),
            .v = kernels::columns_from(kv, 2 * D, D),
            .scale = scale,
            .mask = mask,
            .rope_q = rope(position),
            .rope_k = rope(0)};
  }

  [[nodiscard]] kernels::AttentionGrads grads(const at::Tensor& dq, const at::Tensor& dkv) const {
    const std::int64_t D = width();
    if (packed()) return kernels::packed_attention_grads(shape, floats(dq));
    return {.dq = {floats(dq), D},
            .dk = kernels::columns_from(floats(dkv), 2 * D, 0),
            .dv = kernels::columns_from(floats(dkv), 2 * D, D)};
  }
};

class AttentionFunction : public torch::autograd::Function<AttentionFunction> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& q, const OptionalTensor& kv_in,
                            const OptionalTensor& cos_in, const OptionalTensor& sin_in,
                            const std::vector<std::int64_t>& dims, double alpha) {
    const at::Tensor kv = value_or_undefined(kv_in);
    const at::Tensor cos = value_or_undefined(cos_in);
    const at::Tensor sin = value_or_undefined(sin_in);
    const Call call = make(q, kv, cos, sin, dims, alpha);
    const auto& s = call.shape;
    at::Tensor out = at::empty({s.batch * s.queries, call.width()}, q.options());
    at::Tensor lse = at::empty({s.batch, s.heads, s.queries}, q.options());
    kernels::attention_forward(call.input(), {.out = floats(out), .lse = floats(lse), .map = {}});
    ctx->save_for_backward({q, kv, cos, sin, lse});
    ctx->saved_data["dims"] = dims;
    ctx->saved_data["alpha"] = alpha;
    return out;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    const Call call =
        make(saved[0], saved[1], saved[2], saved[3], ctx->saved_data["dims"].toIntVector(),
             ctx->saved_data["alpha"].toDouble());
    const at::Tensor dout = grads[0].contiguous();
    variable_list result(6);
    result[0] = at::empty_like(saved[0]);
    if (saved[1].defined()) result[1] = at::empty_like(saved[1]);
    kernels::attention_backward(call.input(), floats(dout), floats(saved[4]),
                                call.grads(result[0], result[1]));
    return result;
  }

 private:
  // dims: batch, queries, keys, heads, head width, mask, position of the query
  static Call make(const at::Tensor& q, const at::Tensor& kv, const at::Tensor& cos,
                   const at::Tensor& sin, const std::vector<std::int64_t>& dims, double alpha) {
    return {.shape = {.batch = dims[0],
                      .queries = dims[1],
                      .keys = dims[2],
                      .heads = dims[3],
                      .head_width = dims[4]},
            .mask = {.kind = static_cast<kernels::MaskKind>(dims[5]),
                     .alpha = static_cast<float>(alpha),
                     .prefix = {}},
            .q_buffer = q,
            .kv_buffer = kv,
            .cos = cos,
            .sin = sin,
            .position = dims[6]};
  }
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

at::Tensor visible(const AttentionConstants& c, std::int64_t N, const at::TensorOptions& options) {
  at::Tensor open = at::ones({N, N}, options).tril();
  if (c.mask == arch::Mask::kCausalFirstOpen) open.select(0, 0).fill_(1.0);
  return open;
}

}  // namespace

at::Tensor rotate(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  const at::Tensor wide = x.scalar_type() == at::kDouble ? x : x.to(at::kFloat);
  const at::Tensor pairs = wide.unflatten(-1, {x.size(-1) / 2, 2});
  const at::Tensor a = pairs.select(-1, 0);
  const at::Tensor b = pairs.select(-1, 1);
  return at::stack({a * cos - b * sin, a * sin + b * cos}, -1).flatten(-2).to(x.scalar_type());
}

at::Tensor attention_weights(const at::Tensor& q, const at::Tensor& k,
                             const AttentionConstants& c) {
  const double scale = 1.0 / std::sqrt(static_cast<double>(c.head_dim));
  at::Tensor scores = at::matmul(q, k.transpose(-2, -1)) * scale;
  if (scores.scalar_type() != at::kDouble) scores = scores.to(at::kFloat);
  if (c.mask == arch::Mask::kBidirectional) return scores.softmax(-1);
  const at::Tensor open = visible(c, q.size(2), scores.options());
  if (c.mask == arch::Mask::kSoftCausal) {
    return scores.softmax(-1) * (open * (1.0 - c.mask_rate) + c.mask_rate);
  }
  return scores.masked_fill(open == 0, -std::numeric_limits<double>::infinity()).softmax(-1);
}

at::Tensor attention(const at::Tensor& qkv, std::int64_t tokens, const AttentionConstants& c,
                     const Exec& exec) {
  if (use_fused(qkv, exec)) {
    const std::vector<std::int64_t> dims{qkv.size(0) / tokens,
                                         tokens,
                                         tokens,
                                         c.heads,
                                         c.head_dim,
                                         static_cast<std::int64_t>(mask_kind(c.mask)),
                                         0};
    return AttentionFunction::apply(qkv.contiguous(), OptionalTensor(), optional(c.cos),
                                    optional(c.sin), dims, c.mask_rate);
  }
  std::vector<at::Tensor> heads = split_heads(qkv, tokens, 3, c);
  if (c.cos.defined()) {
    for (std::size_t i = 0; i < 2; ++i) heads[i] = rotate(heads[i], c.cos, c.sin);
  }
  const at::Tensor weights = attention_weights(heads[0], heads[1], c);
  return merge_heads(at::matmul(weights.to(heads[2].scalar_type()), heads[2]));
}

at::Tensor read_attention(const at::Tensor& q, const at::Tensor& kv, std::int64_t tokens,
                          std::int64_t position, const AttentionConstants& c, const Exec& exec) {
  if (use_fused(q, exec)) {
    const std::vector<std::int64_t> dims{
        q.size(0), 1,          tokens,
        c.heads,   c.head_dim, static_cast<std::int64_t>(kernels::MaskKind::kNone),
        position};
    return AttentionFunction::apply(q.contiguous(), optional(kv.contiguous()), optional(c.cos),
                                    optional(c.sin), dims, 0.0);
  }
  at::Tensor query = split_heads(q, 1, 1, c)[0];
  std::vector<at::Tensor> heads = split_heads(kv, tokens, 2, c);
  if (c.cos.defined()) {
    query = rotate(query, c.cos.narrow(0, position, 1), c.sin.narrow(0, position, 1));
    heads[0] = rotate(heads[0], c.cos, c.sin);
  }
  AttentionConstants open = c;
  open.mask = arch::Mask::kBidirectional;
  const at::Tensor weights = attention_weights(query, heads[0], open);
  return merge_heads(at::matmul(weights.to(heads[1].scalar_type()), heads[1]));
}

}  // namespace conopa::nn
