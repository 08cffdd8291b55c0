// The transformer blocks: over the sequence, inside windows, with pooled keys, for one token alone.

#include <algorithm>
#include <cmath>

#include "conopa/core/parallel.h"
#include "conopa/kernels/act_ops.h"
#include "conopa/kernels/attend.h"
#include "engine/executor.h"
#include "engine/wide_rows.h"

namespace conopa::engine {

using kernels::ActType;
using kernels::ConstAct;
using kernels::LinearRope;
using kernels::MutableAct;

namespace {

const float* data_or_null(const std::vector<float>& values) {
  return values.empty() ? nullptr : values.data();
}

void relu_rows(const MutableAct& x, std::int64_t count, std::int64_t width) {
  parallel_for(0, count, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      for (std::int64_t c = 0; c < width; ++c) {
        set_wide_value(x, r, c, std::max(wide_value(x, r, c), 0.0F));
      }
    }
  });
}

float score_scale(const arch::BlockSpec& block) {
  return 1.0F / std::sqrt(static_cast<float>(block.head_dim()));
}

}  // namespace

void Executor::apply(const LinearWeights& layer, const ConstAct& x, std::int64_t count,
                     const MutableAct& y, const LinearRope& rope, kernels::Activation activation) {
  kernels::linear({.M = count,
                   .x = x,
                   .weight = &layer.packed,
                   .epilogue = {.bias = data_or_null(layer.bias),
                                .gate_bias = data_or_null(layer.gate_bias),
                                .activation = activation,
                                .rope = rope},
                   .y = y});
}

void Executor::add_branch(const LinearWeights& layer, const std::vector<float>& scale,
                          const ConstAct& x, std::int64_t count, const ConstAct& residual,
                          const MutableAct& stream) {
  kernels::linear({.M = count,
                   .x = x,
                   .weight = &layer.packed,
                   .epilogue = {.bias = data_or_null(layer.bias),
                                .layer_scale = data_or_null(scale),
                                .residual = static_cast<const float*>(residual.data),
                                .residual_stride = residual.stride},
                   .y = stream});
}

void Executor::run_block(const arch::BlockSpec& block, const BlockWeights& w) {
  const ConstAct mixed = block.window > 0         ? window_attention(block, w)
                         : block.separate_queries ? pooled_attention(block, w)
                                                  : whole_attention(block, w);
  show_input(block, LinearReader::kProjection, mixed, rows(), width_);
  const MutableAct x = stream();
  add_branch(w.proj, w.scale1, as_input(mixed, rows(), width_), rows(), x, x);
  feed_forward(block, w, x, rows());
}

void Executor::feed_forward(const arch::BlockSpec& block, const BlockWeights& w,
                            const MutableAct& x, std::int64_t count) {
  feed(block, w, normalise(w.norm2, x, count, norm_output(width_)), x, count);
}

void Executor::feed(const arch::BlockSpec& block, const BlockWeights& w, const ConstAct& y,
                    const MutableAct& x, std::int64_t count) {
  const std::int64_t hidden = block.mlp_hidden;
  show_input(block, LinearReader::kFeedForward, y, count, width_);
  const MutableAct h = arena_.wide.rows(model_.types.wide, hidden);
  apply(w.up, y, count, h, {},
        block.mlp == arch::Mlp::kGelu ? kernels::Activation::kGelu : kernels::Activation::kNone);
  if (block.mlp == arch::Mlp::kRelu) relu_rows(h, count, hidden);
  show_input(block, LinearReader::kDown, h, count, hidden);
  add_branch(w.down, w.scale2, as_input(h, count, hidden), count, x, x);
}

ConstAct Executor::whole_attention(const arch::BlockSpec& block, const BlockWeights& w) {
  return attend_whole(block, w, normalise(w.norm1, stream(), rows(), norm_output(width_)));
}

ConstAct Executor::attend_whole(const arch::BlockSpec& block, const BlockWeights& w,
                                const ConstAct& y) {
  show_input(block, LinearReader::kAttention, y, rows(), width_);
  const std::int64_t D = width_;
  const LinearRope rope =
      block.rotary ? rope_of(tables_->whole, block.heads, 2, 0, tables_->tokens) : LinearRope{};
  MutableAct q = arena_.wide.rows(model_.types.wide, 3 * D);
  MutableAct k = columns_from(q, D);
  MutableAct v = columns_from(q, 2 * D);
  if (w.qkv.packed.empty()) {  // the last block of a model that reads one token
    apply(w.q, y, rows(), q,
          {.cos = rope.cos,
           .sin = rope.sin,
           .tokens = rope.tokens,
           .head_width = rope.head_width,
           .head_stride = rope.head_stride,
           .heads = rope.heads,
           .columns = rope.columns / 2});
    k = arena_.keys.rows(model_.types.wide, 2 * D);
    v = columns_from(k, D);
    LinearRope keys = rope;
    keys.columns = rope.columns / 2;
    apply(w.kv, y, rows(), k, keys);
  } else {
    apply(w.qkv, y, rows(), q, rope);
  }
  norm_queries_and_keys(block, w, q);
  const MutableAct out = attended();
  kernels::attend({.sequences = batch_,
                   .queries = tables_->tokens,
                   .keys = tables_->tokens,
                   .heads = block.heads,
                   .head_width = block.head_dim(),
                   .q = q,
                   .k = k,
                   .v = v,
                   .out = out,
                   .scale = score_scale(block),
                   .mask = mask_of(block)},
                  model_.isa);
  return out;
}

void Executor::norm_queries_and_keys(const arch::BlockSpec& block, const BlockWeights& w,
                                     const MutableAct& qkv) const {
  if (w.query_norm.empty()) return;
  const auto eps = static_cast<float>(block.norm_eps);
  parallel_for(0, rows(), 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      for (std::int64_t h = 0; h < block.heads; ++h) {
        rms_norm_wide(qkv, r, h * block.head_dim(), w.query_norm, eps);
        rms_norm_wide(qkv, r, width_ + h * block.head_dim(), w.key_norm, eps);
      }
    }
  });
}

ConstAct Executor::window_attention(const arch::BlockSpec& block, const BlockWeights& w) {
  const std::int64_t D = width_;
  const StageTables& t = *tables_;
  const MutableAct y = normalise(w.norm1, stream(), rows(), norm_output(D));
  show_input(block, LinearReader::kAttention, y, rows(), D);
  const MutableAct qkv = arena_.wide.rows(model_.types.wide, 3 * D);
  const auto rope = [&](std::int64_t first, std::int64_t tokens) {
    return block.rotary ? rope_of(t.window, block.heads, 2, first, tokens) : LinearRope{};
  };
  apply(w.qkv, y, rows(), qkv, rope(0, t.tokens));
  const std::int64_t pads = batch_ * t.pads;
  const std::int64_t base = arena_.pad_base_of(t);
  if (pads > 0) {  // padding that is attended to: rows of zeros through the projection
    const MutableAct zeros = rows_from(y, 0);
    clear_rows(zeros, pads);
    apply(w.qkv, zeros, pads, rows_from(qkv, base), rope(t.tokens, t.pads));
  }
  const MutableAct out = attended();
  const auto& groups = arena_.windows[static_cast<std::size_t>(t.stage.index)];
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const std::int64_t tokens = t.windows.groups[i].window_tokens();
    kernels::attend({.sequences = std::ssize(groups[i]) / arena_.batch * batch_ / tokens,
                     .queries = tokens,
                     .keys = tokens,
                     .heads = block.heads,
                     .head_width = block.head_dim(),
                     .q = qkv,
                     .k = columns_from(qkv, D),
                     .v = columns_from(qkv, 2 * D),
                     .out = out,
                     .q_rows = groups[i].data(),
                     .k_rows = groups[i].data(),
                     .scale = score_scale(block),
                     .mask = mask_of(block)},
                    model_.isa);
  }
  return out;
}

ConstAct Executor::pooled_keys(const arch::BlockSpec& block, const BlockWeights& w,
                               const ConstAct& y) {
  const arch::Stage& s = tables_->stage;
  const std::int64_t count = batch_ * s.key_rows() * s.key_cols();
  const std::int64_t taps = width_ * block.reduction * block.reduction;
  const MutableAct patches = arena_.pooled.rows(model_.types.wide, taps);
  kernels::map_patches({.batch = batch_,
                        .height = s.rows,
                        .width = s.cols,
                        .channels = width_,
                        .patch = block.reduction,
                        .map = y,
                        .y = patches});
  const std::int64_t behind = count * patches.stride * kernels::act_size(patches.type);
  const MutableAct pooled = arena_.pooled.rows(ActType::kF32, width_, behind);
  apply(w.pool, patches, count, pooled);
  const MutableAct out =
      arena_.pooled.rows(model_.types.input, width_, behind + count * pooled.stride * 4,
                         arena_.quantised_scales.floats());
  return normalise(w.pool_norm, pooled, count, out);
}

ConstAct Executor::pooled_attention(const arch::BlockSpec& block, const BlockWeights& w) {
  const std::int64_t D = width_;
  const StageTables& t = *tables_;
  // The pooling reads wide rows; the query projection reads inputs.
  const MutableAct y = arena_.y.rows(model_.types.wide, D);
  ConstAct keys = normalise(w.norm1, stream(), rows(), y);
  show_input(block, LinearReader::kAttention, y, rows(), D);
  std::int64_t key_tokens = t.tokens;
  const MutableAct kv = arena_.keys.rows(model_.types.wide, 2 * D);
  const auto rope = [&](const arch::RotaryTable& table, std::int64_t tokens) {
    return block.rotary ? rope_of(table, block.heads, 1, 0, tokens) : LinearRope{};
  };
  if (block.reduction > 1) {
    keys = pooled_keys(block, w, y);
    key_tokens = t.stage.key_rows() * t.stage.key_cols();
    show_input(block, LinearReader::kPooledKeys, keys, batch_ * key_tokens, D);
    apply(w.kv, keys, batch_ * key_tokens, kv, rope(t.keys, key_tokens));
  }
  const ConstAct input = as_input(y, rows(), D);
  if (block.reduction == 1) apply(w.kv, input, rows(), kv, rope(t.keys, key_tokens));
  const MutableAct q = arena_.wide.rows(model_.types.wide, D);
  apply(w.q, input, rows(), q, rope(t.whole, t.tokens));
  const MutableAct out = attended();
  kernels::attend({.sequences = batch_,
                   .queries = t.tokens,
                   .keys = key_tokens,
                   .heads = block.heads,
                   .head_width = block.head_dim(),
                   .q = q,
                   .k = kv,
                   .v = columns_from(kv, D),
                   .out = out,
                   .scale = score_scale(block)},
                  model_.isa);
  return out;
}

void Executor::run_block_for_token(const arch::BlockSpec& block, const BlockWeights& w) {
  const StageTables& t = *tables_;
  const std::int64_t place = model_.spec.class_token_index();
  const MutableAct y = normalise(w.norm1, stream(), rows(), norm_output(width_));

  const MutableAct kv = arena_.keys.rows(model_.types.wide, 2 * width_);
  const auto rope = [&](std::int64_t first, std::int64_t tokens) {
    return block.rotary ? rope_of(t.whole, block.heads, 1, first, tokens) : LinearRope{};
  };
  apply(w.kv, y, rows(), kv, rope(0, t.tokens));
  ConstAct own = rows_from(y, place);  // the token of every image
  own.stride *= t.tokens;
  if (own.scale != nullptr) {
    for (std::int64_t image = 0; image < batch_; ++image) {
      arena_.quantised_scales.floats()[image] = own.scale[image * t.tokens];
    }
    own.scale = arena_.quantised_scales.floats();
  }
  const MutableAct q = arena_.wide.rows(model_.types.wide, 3 * width_);
  apply(w.q, own, batch_, q, rope(place, 1));
  const MutableAct mixed = attended();
  kernels::attend({.sequences = batch_,
                   .queries = 1,
                   .keys = t.tokens,
                   .heads = block.heads,
                   .head_width = block.head_dim(),
                   .q = q,
                   .k = kv,
                   .v = columns_from(kv, width_),
                   .out = mixed,
                   .scale = score_scale(block)},
                  model_.isa);
  const MutableAct token = arena_.token.rows(ActType::kF32, width_);
  ConstAct residual = rows_from(stream(), place);
  residual.stride *= t.tokens;
  add_branch(w.proj, w.scale1, as_input(mixed, batch_, width_), batch_, residual, token);
  feed_forward(block, w, token, batch_);
}

kernels::AttentionMask Executor::mask_of(const arch::BlockSpec& block) const noexcept {
  using kernels::MaskKind;
  switch (block.mask) {
    case arch::Mask::kCausal:
      return {.kind = MaskKind::kCausal};
    case arch::Mask::kCausalFirstOpen:
      return {.kind = MaskKind::kCausalFirstOpen};
    case arch::Mask::kSoftCausal:
      return {.kind = MaskKind::kSoftCausal, .alpha = static_cast<float>(model_.spec.mask_rate)};
    case arch::Mask::kPrefixCausal:
      if (input_.prefix.empty()) break;
      return {.kind = MaskKind::kPrefixCausal, .prefix = input_.prefix};
    case arch::Mask::kBidirectional:
      break;
  }
  return {};
}

}  // namespace conopa::engine
