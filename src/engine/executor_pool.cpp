// The attention read-out: fixed queries gather the tokens of an image, in float32.
//
// With scores s = softmax(x u) for the folded queries u (see PoolWeights), a head's output is
// Wv (mean over queries of s x): the values of tokens are never computed, and what is left of keys
// and values costs as much as one token's, not all tokens'.

#include <algorithm>
#include <cmath>

#include "conopa/core/parallel.h"
#include "conopa/kernels/matmul.h"
#include "engine/executor.h"

namespace conopa::engine {

using kernels::ActType;
using kernels::ConstAct;
using kernels::MutableAct;

namespace {

constexpr std::int64_t kColumns = 256;  // of the tokens that one task gathers

// to[n] += softmax of one query's scores (a column) times `share`.
void add_softmax(const float* column, std::int64_t stride, std::int64_t tokens, float share,
                 float* to) {
  float top = column[0];
  for (std::int64_t n = 1; n < tokens; ++n) top = std::max(top, column[n * stride]);
  double sum = 0.0;
  for (std::int64_t n = 0; n < tokens; ++n) {
    sum += static_cast<double>(std::exp(column[n * stride] - top));
  }
  const float factor = share / static_cast<float>(sum);
  for (std::int64_t n = 0; n < tokens; ++n) to[n] += factor * std::exp(column[n * stride] - top);
}

}  // namespace

// Weights of the tokens [batch, heads, tokens]: means over the queries.
void Executor::pool_softmax(std::int64_t tokens) {
  const std::int64_t H = model_.spec.heads;
  const std::int64_t Q = model_.spec.pool_queries;
  const MutableAct scores = arena_.pool_scores.rows(ActType::kF32, H * Q);
  const MutableAct weights = arena_.pool_weights.rows(ActType::kF32, tokens);
  parallel_for(0, batch_ * H, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t pair = begin; pair < end; ++pair) {
      auto* row = static_cast<float*>(row_of(weights, pair));
      std::fill_n(row, tokens, 0.0F);
      const auto* columns =
          static_cast<const float*>(row_of(scores, pair / H * tokens)) + pair % H * Q;
      for (std::int64_t q = 0; q < Q; ++q) {
        add_softmax(columns + q, scores.stride, tokens, 1.0F / static_cast<float>(Q), row);
      }
    }
  });
}

void Executor::attention_pool(const ConstAct& x, std::int64_t tokens, const MutableAct& features) {
  const PoolWeights& pool = model_.weights->pool;
  const std::int64_t H = model_.spec.heads;
  const std::int64_t Dh = width_ / H;
  apply(pool.scores, x, batch_ * tokens,
        arena_.pool_scores.rows(ActType::kF32, pool.scores.packed.outputs()));
  pool_softmax(tokens);

  const MutableAct weights = arena_.pool_weights.rows(ActType::kF32, tokens);
  const MutableAct gathered = arena_.pool_tokens.rows(ActType::kF32, width_);  // [H, batch, D]
  const std::int64_t parts = (width_ + kColumns - 1) / kColumns;
  parallel_for(0, batch_ * parts, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t image = task / parts;
      const std::int64_t column = task % parts * kColumns;
      const float* own = static_cast<const float*>(x.data) + image * tokens * x.stride;
      kernels::matmul({.M = H,
                       .N = std::min(kColumns, width_ - column),
                       .K = tokens,
                       .a = static_cast<const float*>(row_of(weights, image * H)),
                       .lda = weights.stride,
                       .b = own + column,
                       .ldb = x.stride,
                       .c = static_cast<float*>(row_of(gathered, image)) + column,
                       .ldc = batch_ * gathered.stride},
                      model_.isa);
    }
  });

  const MutableAct out = arena_.token.rows(ActType::kF32, Dh);
  for (std::int64_t h = 0; h < H; ++h) {
    apply(pool.values[static_cast<std::size_t>(h)], rows_from(gathered, h * batch_), batch_, out);
    for (std::int64_t image = 0; image < batch_; ++image) {
      std::copy_n(static_cast<const float*>(row_of(out, image)), Dh,
                  static_cast<float*>(row_of(features, image)) + h * Dh);
    }
  }
}

}  // namespace conopa::engine
