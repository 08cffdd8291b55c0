// The blocks of a language model inside an encoder, with their mappers.

#include <algorithm>
#include <cmath>
#include <utility>

#include "conopa/core/parallel.h"
#include "conopa/kernels/act_ops.h"
#include "engine/executor.h"

namespace conopa::engine {

using kernels::ActType;
using kernels::ConstAct;
using kernels::MutableAct;

namespace {

// The rows of one token of every image.
ConstAct token_rows(const ConstAct& x, std::int64_t token, std::int64_t tokens) {
  ConstAct own = x;
  own.data = static_cast<const float*>(x.data) + token * x.stride;
  own.stride *= tokens;
  return own;
}

float dot(const float* a, const float* b, std::int64_t count) {
  float sum = 0.0F;
  for (std::int64_t i = 0; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

// scores = softmax(scores), then each times its factor.
void softmax_times(std::span<float> scores, const float* factors) {
  const float top = *std::ranges::max_element(scores);
  double sum = 0.0;
  for (float& score : scores) {
    score = std::exp(score - top);
    sum += static_cast<double>(score);
  }
  const auto share = static_cast<float>(1.0 / sum);
  for (std::size_t i = 0; i < scores.size(); ++i) scores[i] *= share * factors[i];
}

}  // namespace

void Executor::run_language_block(std::size_t index) {
  const arch::BlockSpec& block = model_.scope.language_blocks[index];
  const BlockWeights& w = model_.weights->language.blocks[index];
  if (block.post_norm) {
    run_post_norm(block, w);
  } else if (block.mixer == arch::Mixer::kAttention) {
    run_block(block, w);
  } else {
    feed_forward(block, w, stream(), rows());
  }
  show(block.label + "_out", stream(), tables_->tokens, width_);
}

// x = norm1(x + attention(x)), x = norm2(x + feed_forward(x)).
void Executor::run_post_norm(const arch::BlockSpec& block, const BlockWeights& w) {
  const MutableAct x = stream();
  if (block.mixer == arch::Mixer::kAttention) {
    const MutableAct y = norm_output(width_);
    kernels::convert_rows({.rows = rows(), .width = width_, .x = x, .y = y}, model_.isa);
    const ConstAct mixed = attend_whole(block, w, y);
    add_branch(w.proj, {}, as_input(mixed, rows(), width_), rows(), x, x);
    static_cast<void>(normalise(w.norm1, x, rows(), x));
  }
  const MutableAct y = norm_output(width_);
  kernels::convert_rows({.rows = rows(), .width = width_, .x = x, .y = y}, model_.isa);
  feed(block, w, y, x, rows());
  static_cast<void>(normalise(w.norm2, x, rows(), x));
}

// Float32 rows through a mapper.
void Executor::map_language(const LinearWeights& mapper, const ConstAct& x, std::int64_t count,
                            const MutableAct& y) {
  const std::int64_t inputs = mapper.packed.inputs();
  const MutableAct in = arena_.y.rows(model_.types.input, inputs, 0, arena_.scales.floats());
  kernels::convert_rows({.rows = count, .width = inputs, .x = x, .y = in}, model_.isa);
  apply(mapper, in, count, y);
}

// The tokens of all images through the whole of it.
void Executor::run_language() {
  const LanguageWeights& w = model_.weights->language;
  show("encoder_out", stream(), tables_->tokens, width_);
  enter_language();
  for (std::size_t i = 0; i < w.blocks.size(); ++i) run_language_block(i);
  const MutableAct x = stream();
  leave_language(x, rows(), x);
  show("llm_norm", x, tables_->tokens, width_);
  map_language(w.out, x, rows(), arena_.x_next.rows(ActType::kF32, model_.spec.dim));
  std::swap(arena_.x, arena_.x_next);
  width_ = model_.spec.dim;
  show("llm_mapper2", stream(), tables_->tokens, width_);
}

void Executor::enter_language() {
  map_language(model_.weights->language.in, stream(), rows(),
               arena_.x_next.rows(ActType::kF32, model_.spec.llm.dim));
  std::swap(arena_.x, arena_.x_next);
  width_ = model_.spec.llm.dim;
  show("llm_mapper1", stream(), tables_->tokens, width_);
}

// What follows the blocks: the last norm, or GELU and layer norm of the baseline without blocks.
void Executor::leave_language(const MutableAct& x, std::int64_t count, const MutableAct& y) const {
  const LanguageWeights& w = model_.weights->language;
  if (!model_.spec.llm.has_blocks()) {
    parallel_for(0, count, 16, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        auto* row = static_cast<float*>(row_of(x, r));
        for (std::int64_t c = 0; c < width_; ++c) {
          row[c] = 0.5F * row[c] * (1.0F + std::erf(row[c] * 0.70710678F));
        }
      }
    });
  }
  if (!w.norm.weight.empty()) static_cast<void>(normalise(w.norm, x, count, y));
}

// The output for the class token alone, in arena_.token.
void Executor::run_language_for_token() {
  const LanguageWeights& w = model_.weights->language;
  const std::int64_t C = model_.spec.dim;
  if (!w.keys.empty()) {
    fold_language();
  } else {
    enter_language();
    for (std::size_t i = 0; i + 1 < w.blocks.size(); ++i) run_language_block(i);
    if (model_.scope.language_blocks.back().post_norm) {
      run_language_block(w.blocks.size() - 1);
      const MutableAct token = arena_.token.rows(ActType::kF32, width_);
      const ConstAct own = token_rows(stream(), model_.spec.class_token_index(), tables_->tokens);
      kernels::convert_rows({.rows = batch_, .width = width_, .x = own, .y = token}, model_.isa);
    } else {
      run_block_for_token(model_.scope.language_blocks.back(), w.blocks.back());
    }
  }
  finish_language_token(C);
}

void Executor::finish_language_token(std::int64_t width) {
  const MutableAct token = arena_.token.rows(ActType::kF32, width_);
  leave_language(token, batch_, token);
  map_language(model_.weights->language.out, token, batch_,
               arena_.language_token.rows(ActType::kF32, width));
  std::swap(arena_.token, arena_.language_token);
  width_ = width;
}

// The token of a unit that does not mix tokens; it is in arena_.token already.
void Executor::run_language_alone() {
  const LanguageWeights& w = model_.weights->language;
  const std::int64_t C = model_.spec.dim;
  map_language(w.in, arena_.token.rows(ActType::kF32, C), batch_,
               arena_.language_token.rows(ActType::kF32, model_.spec.llm.dim));
  std::swap(arena_.token, arena_.language_token);
  width_ = model_.spec.llm.dim;
  const MutableAct token = arena_.token.rows(ActType::kF32, width_);
  for (std::size_t i = 0; i < w.blocks.size(); ++i) {
    feed_forward(model_.scope.language_blocks[i], w.blocks[i], token, batch_);
  }
  finish_language_token(C);
}

// See arch::folds_language_block: scores and sums are taken of the encoder's tokens.
void Executor::fold_language() {
  const LanguageWeights& w = model_.weights->language;
  const arch::BlockSpec& block = model_.scope.language_blocks.front();
  const std::int64_t C = width_;
  const std::int64_t D = block.dim;
  const std::int64_t H = block.heads;
  const std::int64_t Dh = block.head_dim();
  const std::int64_t N = tables_->tokens;
  const ConstAct z = stream();
  const MutableAct sizes = arena_.x_next.rows(ActType::kF32, C);
  apply(w.gram, z, rows(), sizes);
  float* factors = arena_.language_factors.floats();  // [B, N]
  const auto eps = static_cast<float>(block.norm_eps);
  parallel_for(0, rows(), 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const float square = dot(static_cast<const float*>(row_of(sizes, r)),
                               static_cast<const float*>(z.data) + r * z.stride, C);
      factors[r] = 1.0F / std::sqrt(std::max(square, 0.0F) + eps);
    }
  });

  const MutableAct token = arena_.token.rows(ActType::kF32, D);
  map_language(w.in, token_rows(z, model_.spec.class_token_index(), N), batch_, token);
  const MutableAct u = normalise(w.blocks.front().norm1, token, batch_,
                                 arena_.y.rows(model_.types.input, D, 0, arena_.scales.floats()));
  const MutableAct q = arena_.language_token.rows(ActType::kF32, D);
  apply(w.blocks.front().q, u, batch_, q);
  const MutableAct heads = arena_.language_heads.rows(ActType::kF32, Dh);     // [H, B]
  const MutableAct targets = arena_.language_targets.rows(ActType::kF32, C);  // [H, B]
  for (std::int64_t h = 0; h < H; ++h) {
    const MutableAct own = rows_from(heads, h * batch_);
    kernels::convert_rows({.rows = batch_, .width = Dh, .x = columns_from(q, h * Dh), .y = own},
                          model_.isa);
    apply(w.keys[static_cast<std::size_t>(h)], own, batch_, rows_from(targets, h * batch_));
  }
  language_sums(z, targets, factors);
  for (std::int64_t h = 0; h < H; ++h) {
    const MutableAct own = rows_from(heads, h * batch_);
    apply(w.values[static_cast<std::size_t>(h)], rows_from(targets, h * batch_), batch_, own);
    for (std::int64_t image = 0; image < batch_; ++image) {
      std::copy_n(static_cast<const float*>(row_of(own, image)), Dh,
                  static_cast<float*>(row_of(q, image)) + h * Dh);
    }
  }
  width_ = D;
  const MutableAct mixed = norm_output(D);
  kernels::convert_rows({.rows = batch_, .width = D, .x = q, .y = mixed}, model_.isa);
  add_branch(w.blocks.front().proj, {}, mixed, batch_, token, token);
  feed_forward(block, w.blocks.front(), token, batch_);
}

// targets[h, b] becomes sum over the tokens of softmax(factor z·target) factor z.
void Executor::language_sums(const ConstAct& z, const MutableAct& targets, const float* factors) {
  const std::int64_t C = model_.spec.dim;
  const std::int64_t N = tables_->tokens;
  const std::int64_t H = model_.spec.llm.heads;
  parallel_for(0, batch_ * H, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> scores(static_cast<std::size_t>(N));
    for (std::int64_t pair = begin; pair < end; ++pair) {
      const std::int64_t image = pair / H;
      auto* target = static_cast<float*>(row_of(targets, pair % H * batch_ + image));
      const float* own = static_cast<const float*>(z.data) + image * N * z.stride;
      const float* factor = factors + image * N;
      for (std::int64_t n = 0; n < N; ++n) {
        scores[static_cast<std::size_t>(n)] = factor[n] * dot(own + n * z.stride, target, C);
      }
      softmax_times(scores, factor);
      std::fill_n(target, C, 0.0F);
      for (std::int64_t n = 0; n < N; ++n) {
        const float weight = scores[static_cast<std::size_t>(n)];
        const float* row = own + n * z.stride;
        for (std::int64_t c = 0; c < C; ++c) target[c] += weight * row[c];
      }
    }
  });
}

}  // namespace conopa::engine
