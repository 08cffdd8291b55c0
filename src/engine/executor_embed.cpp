// From images, or the map of the stage before, to the tokens of a stage.

#include <algorithm>
#include <utility>

#include "conopa/kernels/act_ops.h"
#include "engine/executor.h"

namespace conopa::engine {

using kernels::ActType;
using kernels::ConstAct;
using kernels::MutableAct;

namespace {

// x += rows, both of x's stride.
void add_rows(const float* rows, std::int64_t count, std::int64_t width, const MutableAct& x) {
  for (std::int64_t r = 0; r < count; ++r) {
    auto* to = static_cast<float*>(row_of(x, r));
    for (std::int64_t c = 0; c < width; ++c) to[c] += rows[r * x.stride + c];
  }
}

}  // namespace

void Executor::embed() {
  if (model_.spec.input == arch::Input::kTokens) {
    embed_tokens();
  } else {
    embed_images();
  }
}

void Executor::embed_tokens() {
  tables_ = &model_.stages.front();
  width_ = tables_->stage.dim;
  const MutableAct x = stream();
  for (std::int64_t image = 0; image < batch_; ++image) {
    const MutableAct own = rows_from(x, image * tables_->tokens);
    for (std::int64_t t = 0; t < tables_->tokens; ++t) {
      const std::int64_t token =
          input_.tokens[static_cast<std::size_t>(image * tables_->tokens + t)];
      model_.weights->tokens->copy_row(
          token, {static_cast<float*>(row_of(own, t)), static_cast<std::size_t>(width_)});
    }
    if (!tables_->position.empty()) {
      add_rows(tables_->position.data(), tables_->tokens, width_, own);
    }
  }
}

void Executor::embed_images() {
  const StageTables& tables = model_.stages.front();
  const arch::EncoderSpec& spec = model_.spec;
  const arch::Stage& s = tables.stage;
  const MutableAct patches = arena_.y.rows(model_.types.wide, s.channels * s.patch * s.patch);
  kernels::patch_rows({.batch = batch_,
                       .channels = spec.channels,
                       .height = spec.height,
                       .width = spec.width,
                       .patch = s.patch,
                       .images = input_.images,
                       .y = patches});
  add_embedding(tables, patches, arena_.x);
}

void Executor::embed_stage(const StageTables& next) {
  const arch::Stage& s = next.stage;
  const MutableAct patches = arena_.y.rows(model_.types.wide, s.channels * s.patch * s.patch);
  kernels::map_patches({.batch = batch_,
                        .height = tables_->stage.rows,
                        .width = tables_->stage.cols,
                        .channels = width_,
                        .patch = s.patch,
                        .map = stream(),
                        .y = patches});
  add_embedding(next, patches, arena_.x_next);
  std::swap(arena_.x, arena_.x_next);
}

void Executor::add_embedding(const StageTables& tables, const ConstAct& patches,
                             const Buffer& into) {
  const StageWeights& weights =
      model_.weights->stages[static_cast<std::size_t>(tables.stage.index)];
  const std::int64_t count = tables.stage.tokens();
  const std::int64_t front = model_.spec.class_token == arch::ClassToken::kFront ? 1 : 0;
  const std::int64_t D = tables.stage.dim;
  const std::int64_t stride = kernels::act_padded(ActType::kF32, D);
  const MutableAct x = into.rows(ActType::kF32, D);
  const bool normed = !weights.patch_norm.weight.empty();
  kernels::LinearArgs args{.M = batch_ * count,
                           .x = patches,
                           .weight = &weights.patch.packed,
                           .epilogue = {.bias = weights.patch.bias.data()},
                           .y = rows_from(x, front),
                           .group = count,
                           .group_stride = tables.tokens};
  if (!normed && !tables.position.empty()) {
    args.epilogue.residual = tables.position.data() + front * stride;
    args.epilogue.residual_stride = stride;
    args.epilogue.residual_rows = count;
  }
  kernels::linear(args);
  tables_ = &tables;
  width_ = D;
  if (normed) {
    for (std::int64_t image = 0; image < batch_; ++image) {
      const MutableAct own = rows_from(x, image * tables.tokens + front);
      static_cast<void>(normalise(weights.patch_norm, own, count, own));
      if (!tables.position.empty()) {
        add_rows(tables.position.data() + front * stride, count, D, own);
      }
    }
  }
  if (model_.spec.class_token_in_blocks()) place_class_token();
}

void Executor::place_class_token() {
  const MutableAct x = stream();
  const std::int64_t place = model_.spec.class_token_index();
  for (std::int64_t image = 0; image < batch_; ++image) {
    const MutableAct row = rows_from(x, image * tables_->tokens + place);
    std::copy_n(model_.weights->class_token.begin(), width_, static_cast<float*>(row.data));
    if (!tables_->position.empty()) {
      add_rows(tables_->position.data() + place * x.stride, 1, width_, row);
    }
  }
}

void Executor::add_conditional(const arch::BlockSpec& block) {
  const StageWeights& weights = model_.weights->stages[static_cast<std::size_t>(block.stage)];
  if (weights.conditional.empty() || block.index != tables_->stage.first_block) return;
  const MutableAct x = stream();
  const MutableAct y = arena_.x_next.rows(ActType::kF32, width_);
  kernels::depthwise_rows({.batch = batch_,
                           .height = tables_->stage.rows,
                           .width = tables_->stage.cols,
                           .channels = width_,
                           .x = static_cast<const float*>(x.data),
                           .y = static_cast<float*>(y.data),
                           .stride = x.stride,
                           .rows_per_image = tables_->tokens,
                           .first_row = model_.spec.class_token == arch::ClassToken::kFront ? 1 : 0,
                           .weight = weights.conditional.data(),
                           .bias = weights.conditional_bias.data()});
  if (model_.spec.class_token_in_blocks()) {  // the class token has no place on the map
    for (std::int64_t image = 0; image < batch_; ++image) {
      const std::int64_t row = image * tables_->tokens + model_.spec.class_token_index();
      std::copy_n(static_cast<const float*>(row_of(x, row)), width_,
                  static_cast<float*>(row_of(y, row)));
    }
  }
  std::swap(arena_.x, arena_.x_next);
}

}  // namespace conopa::engine
