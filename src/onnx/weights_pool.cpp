// The attention read-out as initializers.

#include <optional>
#include <string>
#include <utility>

#include "conopa/arch/folded_pool.h"
#include "onnx/weights.h"

namespace conopa::onnx {
namespace {

namespace names = arch::names;

/// Folds again for each of its tensors, so that none stays in memory while others are written.
struct PoolRecipe {
  const TensorSource* source;
  std::int64_t width, heads;
  bool biased, normed;

  [[nodiscard]] std::vector<float> tensor(std::string_view prefix, std::string_view what) const {
    return source->read(std::string(prefix) + std::string(what)).to_f32();
  }

  [[nodiscard]] arch::FoldedPool folded() const {
    arch::ChannelShift norm;
    if (normed) {
      norm = arch::batch_norm_shift(tensor(names::kHeadNorm, ".running_mean"),
                                    tensor(names::kHeadNorm, ".running_var"));
    }
    return arch::fold_pool(
        {.queries = tensor(names::kPoolQueries, ""),
         .keys = tensor(names::kPoolKey, ".weight"),
         .values = tensor(names::kPoolValue, ".weight"),
         .value_bias = biased ? tensor(names::kPoolValue, ".bias") : std::vector<float>(),
         .norm = norm,
         .width = width,
         .heads = heads});
  }
};

// [groups, rows, cols] → [groups, cols, rows].
HostTensor transposed_groups(const std::vector<float>& from, const Shape& shape) {
  const std::int64_t cols = shape.at(1);
  const std::int64_t rows = shape.at(2);
  HostTensor out = HostTensor::zeros(DType::kF32, shape);
  float* to = out.mutable_data<float>().data();
  for (std::int64_t g = 0; g < shape.front(); ++g) {
    const float* own = from.data() + g * rows * cols;
    for (std::int64_t c = 0; c < cols; ++c) {
      for (std::int64_t r = 0; r < rows; ++r) *to++ = own[r * cols + c];
    }
  }
  return out;
}

}  // namespace

Weights::Pool Weights::pool() {
  const std::int64_t D = spec_.dim;
  const PoolRecipe recipe{.source = &source_,
                          .width = D,
                          .heads = spec_.heads,
                          .biased = has(std::string(names::kPoolValue) + ".bias"),
                          .normed = spec_.head_norm == arch::HeadNorm::kBatch};
  const std::int64_t rows = spec_.heads * spec_.pool_queries;
  const Shape values{spec_.heads, D, D / spec_.heads};
  return {
      .scores = graph_.tensor(
          {.name = "pool/scores",
           .dtype = DType::kF32,
           .shape = {D, rows},
           .load =
               [recipe, D, rows] {
                 return transposed_groups(recipe.folded().scores, {1, D, rows}).reshaped({D, rows});
               }}),
      .values = graph_.tensor(
          {.name = "pool/values",
           .dtype = DType::kF32,
           .shape = values,
           .load = [recipe, values] { return transposed_groups(recipe.folded().values, values); }}),
      .bias = graph_.tensor(
          {.name = "pool/bias", .dtype = DType::kF32, .shape = {D}, .load = [recipe, D] {
             return HostTensor::of<float>(DType::kF32, {D}, recipe.folded().bias);
           }})};
}

}  // namespace conopa::onnx
