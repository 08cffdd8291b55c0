#include "conopa/kernels/attention.h"

#include "conopa/core/error.h"
#include "conopa/kernels/train_ops.h"
#include "kernels/check.h"

namespace conopa::kernels {

namespace {

constexpr std::string_view kWhere = "attention";

void check_mask(const AttentionShape& s, const AttentionMask& mask) {
  if (mask.kind != MaskKind::kNone && s.queries != s.keys) {
    throw ShapeError(kWhere,
                     "a masked attention needs as many keys as queries, got {} and {}; "
                     "use MaskKind::kNone",
                     s.keys, s.queries);
  }
  if (mask.kind == MaskKind::kSoftCausal && !(mask.alpha >= 0.0F && mask.alpha <= 1.0F)) {
    throw ShapeError(kWhere, "soft mask rate must lie in [0, 1], got {}; check the mask schedule",
                     mask.alpha);
  }
  if (mask.kind != MaskKind::kPrefixCausal) return;
  require_size(kWhere, "prefix", mask.prefix.size(), s.batch);
  for (const std::int64_t length : mask.prefix) {
    if (length < 0 || length > s.queries) {
      throw ShapeError(kWhere, "prefix length must lie in [0, {}], got {}; check the sampler",
                       s.queries, length);
    }
  }
}

void check_input(const AttentionInput& input) {
  const AttentionShape& s = input.shape;
  require_dimension(kWhere, "batch", s.batch, 0);
  require_dimension(kWhere, "queries", s.queries, 0);
  require_dimension(kWhere, "keys", s.keys, 1);
  require_dimension(kWhere, "heads", s.heads, 1);
  require_dimension(kWhere, "head width", s.head_width, 1);
  const std::int64_t width = s.heads * s.head_width;
  require_rows(kWhere, "q", input.q, s.batch * s.queries, width);
  require_rows(kWhere, "k", input.k, s.batch * s.keys, width);
  require_rows(kWhere, "v", input.v, s.batch * s.keys, width);
  const RopeShape rope{
      .batch = s.batch, .tokens = s.queries, .heads = s.heads, .head_width = s.head_width};
  if (!input.rope_q.empty()) require_rope_table(kWhere, rope, input.rope_q);
  RopeShape key_rope = rope;
  key_rope.tokens = s.keys;
  if (!input.rope_k.empty()) require_rope_table(kWhere, key_rope, input.rope_k);
  check_mask(s, input.mask);
}

}  // namespace

AttentionInput packed_attention(const AttentionShape& shape, std::span<const float> qkv,
                                float scale, const AttentionMask& mask, const RopeTable& rope) {
  const std::int64_t width = shape.heads * shape.head_width;
  if (shape.queries != shape.keys) {
    throw ShapeError(kWhere,
                     "packed q, k, v need as many keys as queries, got {} and {}; pass "
                     "separate rows",
                     shape.keys, shape.queries);
  }
  require_size(kWhere, "qkv", qkv.size(), shape.batch * shape.queries * 3 * width);
  if (qkv.empty()) return {.shape = shape, .scale = scale, .mask = mask};
  return {.shape = shape,
          .q = columns_from(qkv, 3 * width, 0),
          .k = columns_from(qkv, 3 * width, width),
          .v = columns_from(qkv, 3 * width, 2 * width),
          .scale = scale,
          .mask = mask,
          .rope_q = rope,
          .rope_k = rope};
}

AttentionGrads packed_attention_grads(const AttentionShape& shape, std::span<float> dqkv) {
  const std::int64_t width = shape.heads * shape.head_width;
  require_size(kWhere, "dqkv", dqkv.size(), shape.batch * shape.queries * 3 * width);
  if (dqkv.empty()) return {};
  return {.dq = columns_from(dqkv, 3 * width, 0),
          .dk = columns_from(dqkv, 3 * width, width),
          .dv = columns_from(dqkv, 3 * width, 2 * width)};
}

void attention_forward(const AttentionInput& input, const AttentionOutput& output) {
  const AttentionShape& s = input.shape;
  if (s.batch * s.queries == 0) return;
  check_input(input);
  const std::int64_t rows = s.batch * s.heads * s.queries;
  require_size(kWhere, "out", output.out.size(), rows * s.head_width);
  require_size_or_empty(kWhere, "lse", output.lse.size(), rows);
  require_size_or_empty(kWhere, "map", output.map.size(), rows * s.keys);
  train_ops().attention_forward(input, output);
}

void attention_backward(const AttentionInput& input, std::span<const float> dout,
                        std::span<const float> lse, const AttentionGrads& grads) {
  const AttentionShape& s = input.shape;
  if (s.batch * s.queries == 0) return;
  check_input(input);
  const std::int64_t rows = s.batch * s.heads * s.queries;
  const std::int64_t width = s.heads * s.head_width;
  require_size(kWhere, "dout", dout.size(), rows * s.head_width);
  require_size(kWhere, "lse", lse.size(), rows);
  require_rows(kWhere, "dq", grads.dq, s.batch * s.queries, width);
  require_rows(kWhere, "dk", grads.dk, s.batch * s.keys, width);
  require_rows(kWhere, "dv", grads.dv, s.batch * s.keys, width);
  train_ops().attention_backward(input, dout, lse, grads);
}

}  // namespace conopa::kernels
