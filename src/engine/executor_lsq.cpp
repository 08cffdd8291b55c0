// Blocks of quantisation-aware models: every input of a product passes through its learned steps,
// the attention weights too, so attention is computed by hand. Float32 throughout.

#include <algorithm>
#include <cmath>

#include "conopa/core/parallel.h"
#include "conopa/kernels/activation.h"
#include "conopa/kernels/matmul.h"
#include "engine/executor.h"

namespace conopa::engine {

using kernels::ActType;
using kernels::ConstAct;
using kernels::MutableAct;

namespace {

// Softmax of one row of scores under the mask, then the steps of the head.
void weigh(float* row, std::int64_t query, std::int64_t tokens, const kernels::AttentionMask& mask,
           std::int64_t prefix, float scale, const LsqSteps& steps, std::int64_t head) {
  using kernels::MaskKind;
  const bool cut = mask.kind == MaskKind::kCausal || mask.kind == MaskKind::kPrefixCausal ||
                   (mask.kind == MaskKind::kCausalFirstOpen && query > 0);
  const std::int64_t seen = cut ? std::max(query + 1, prefix) : tokens;
  const float top = *std::max_element(row, row + seen);
  float sum = 0.0F;
  for (std::int64_t j = 0; j < seen; ++j) sum += row[j] = std::exp(scale * (row[j] - top));
  std::fill(row + seen, row + tokens, 0.0F);
  for (std::int64_t j = 0; j < tokens; ++j) {
    float weight = row[j] / sum;
    if (mask.kind == MaskKind::kSoftCausal && j > query) weight *= mask.alpha;
    row[j] = steps.apply(weight, static_cast<std::size_t>(head));
  }
}

}  // namespace

ConstAct Executor::stepped_attention(const arch::BlockSpec& block, const LsqBlock& steps,
                                     const MutableAct& qkv) {
  const std::int64_t N = tables_->tokens;
  const std::int64_t Dh = block.head_dim();
  const MutableAct out = attended();
  const kernels::AttentionMask masked = mask_of(block);
  const float scale = 1.0F / std::sqrt(static_cast<float>(Dh));
  parallel_for(0, batch_ * block.heads, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t pair = begin; pair < end; ++pair) {
      const std::int64_t image = pair / block.heads;
      const std::int64_t head = pair % block.heads;
      const auto part = [&](std::int64_t section) {
        return static_cast<const float*>(row_of(qkv, image * N)) + section * width_ + head * Dh;
      };
      float* map = arena_.map.floats() + pair * N * N;
      kernels::matmul({.M = N,
                       .N = N,
                       .K = Dh,
                       .a = part(0),
                       .lda = qkv.stride,
                       .b = part(1),
                       .ldb = qkv.stride,
                       .layout_b = kernels::Layout::kTransposed,
                       .c = map,
                       .ldc = N},
                      model_.isa);
      const std::int64_t prefix =
          masked.prefix.empty() ? 0 : masked.prefix[static_cast<std::size_t>(image)];
      for (std::int64_t i = 0; i < N; ++i) {
        weigh(map + i * N, i, N, masked, prefix, scale, steps.map, head);
      }
      kernels::matmul({.M = N,
                       .N = Dh,
                       .K = N,
                       .a = map,
                       .lda = N,
                       .b = part(2),
                       .ldb = qkv.stride,
                       .c = static_cast<float*>(row_of(out, image * N)) + head * Dh,
                       .ldc = out.stride},
                      model_.isa);
    }
  });
  return out;
}

void Executor::run_stepped_block(std::size_t index) {
  const arch::BlockSpec& block = model_.scope.blocks[index];
  const BlockWeights& w = model_.weights->blocks[index];
  const LsqBlock& steps = model_.weights->lsq[index];
  const MutableAct x = stream();
  const MutableAct y = normalise(w.norm1, x, rows(), norm_output(width_));
  steps.qkv.apply_rows(y, rows(), 1);
  const MutableAct qkv = arena_.wide.rows(ActType::kF32, 3 * width_);
  apply(w.qkv, y, rows(), qkv,
        block.rotary ? rope_of(tables_->whole, block.heads, 2, 0, tables_->tokens)
                     : kernels::LinearRope{});
  norm_queries_and_keys(block, w, qkv);
  steps.query.apply_rows(qkv, rows(), block.head_dim());
  steps.key.apply_rows(columns_from(qkv, width_), rows(), block.head_dim());
  steps.value.apply_rows(columns_from(qkv, 2 * width_), rows(), block.head_dim());
  const ConstAct mixed = stepped_attention(block, steps, qkv);
  steps.proj.apply_rows(attended(), rows(), 1);
  add_branch(w.proj, w.scale1, mixed, rows(), x, x);

  const MutableAct h = normalise(w.norm2, x, rows(), norm_output(width_));
  add_branch(w.down, w.scale2, stepped_hidden(block, w, steps, h), rows(), x, x);
}

ConstAct Executor::stepped_hidden(const arch::BlockSpec& block, const BlockWeights& w,
                                  const LsqBlock& steps, const MutableAct& y) {
  const std::int64_t hidden = block.mlp_hidden;
  const MutableAct up = arena_.wide.rows(ActType::kF32, hidden);
  if (block.mlp == arch::Mlp::kSwiglu) {
    const MutableAct gate = arena_.gate.rows(ActType::kF32, hidden);
    const MutableAct own = arena_.x_next.rows(ActType::kF32, width_);
    std::copy_n(static_cast<const float*>(y.data), rows() * y.stride,
                static_cast<float*>(own.data));
    steps.gate.apply_rows(own, rows(), 1);
    steps.up.apply_rows(y, rows(), 1);
    apply(w.gate, own, rows(), gate);
    apply(w.up, y, rows(), up);
    const auto all = static_cast<std::size_t>(rows() * up.stride);
    const auto view = [all](const MutableAct& act) {
      return std::span<float>(static_cast<float*>(act.data), all);
    };
    kernels::swiglu_forward({.rows = rows(), .hidden = hidden}, {view(gate), gate.stride},
                            {view(up), up.stride}, {view(up), up.stride});
  } else {
    steps.up.apply_rows(y, rows(), 1);
    apply(w.up, y, rows(), up, {}, kernels::Activation::kGelu);
  }
  steps.down.apply_rows(up, rows(), 1);
  return up;
}

}  // namespace conopa::engine
