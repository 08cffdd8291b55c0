// From the last block to features and logits; the order of the whole pass.

#include <algorithm>
#include <string>

#include "conopa/core/parallel.h"
#include "conopa/kernels/act_ops.h"
#include "engine/executor.h"

namespace conopa::engine {

using kernels::ActType;
using kernels::ConstAct;
using kernels::MutableAct;

namespace {

// out[b] = mean over the tokens of image b from `first` on, `count` of them.
void mean_rows(const ConstAct& x, std::int64_t batch, std::int64_t tokens, std::int64_t width,
               const MutableAct& out, std::int64_t first, std::int64_t count) {
  const auto factor = 1.0F / static_cast<float>(count);
  for (std::int64_t image = 0; image < batch; ++image) {
    float* sum = static_cast<float*>(out.data) + image * out.stride;
    std::fill_n(sum, width, 0.0F);
    for (std::int64_t t = first; t < first + count; ++t) {
      const float* row = static_cast<const float*>(x.data) + (image * tokens + t) * x.stride;
      for (std::int64_t c = 0; c < width; ++c) sum[c] += row[c];
    }
    for (std::int64_t c = 0; c < width; ++c) sum[c] *= factor;
  }
}

void mean_rows(const ConstAct& x, std::int64_t batch, std::int64_t tokens, std::int64_t width,
               const MutableAct& out) {
  mean_rows(x, batch, tokens, width, out, 0, tokens);
}

void copy_rows(const ConstAct& x, std::int64_t count, std::int64_t width, std::span<float> out) {
  for (std::int64_t r = 0; r < count; ++r) {
    std::copy_n(static_cast<const float*>(x.data) + r * x.stride, width, out.begin() + r * width);
  }
}

}  // namespace

MutableAct Executor::stream() const noexcept { return arena_.x.rows(ActType::kF32, width_); }

MutableAct Executor::attended() const noexcept {
  const ActType wide = model_.types.wide;
  const std::int64_t count = arena_.batch * (tables_->tokens + tables_->pads);
  const std::int64_t before =
      count * kernels::act_padded(wide, 3 * width_) * kernels::act_size(wide);
  return arena_.wide.rows(wide, width_, before);
}

MutableAct Executor::norm_output(std::int64_t width) const noexcept {
  return arena_.y.rows(model_.types.input, width, 0, arena_.scales.floats());
}

MutableAct Executor::normalise(const NormWeights& norm, const ConstAct& x, std::int64_t count,
                               const MutableAct& y) const {
  kernels::norm_rows({.kind = norm.kind,
                      .rows = count,
                      .width = static_cast<std::int64_t>(norm.weight.size()),
                      .eps = norm.eps,
                      .x = static_cast<const float*>(x.data),
                      .x_stride = x.stride,
                      .weight = norm.weight.data(),
                      .bias = norm.bias.empty() ? nullptr : norm.bias.data(),
                      .y = y},
                     model_.isa);
  return y;
}

ConstAct Executor::as_input(const ConstAct& wide, std::int64_t count, std::int64_t width) const {
  if (wide.type == model_.types.input) return wide;
  const MutableAct out =
      arena_.quantised.rows(model_.types.input, width, 0, arena_.quantised_scales.floats());
  kernels::convert_rows({.rows = count, .width = width, .x = wide, .y = out}, model_.isa);
  return out;
}

void Executor::show(std::string_view name, const ConstAct& x, std::int64_t tokens,
                    std::int64_t width) const {
  if (observers_.layers == nullptr) return;
  (*observers_.layers)({.name = name,
                        .first_image = first_image_,
                        .images = batch_,
                        .tokens = tokens,
                        .width = width,
                        .rows = static_cast<const float*>(x.data),
                        .stride = x.stride});
}

void Executor::show_input(const arch::BlockSpec& block, LinearReader reader, const ConstAct& x,
                          std::int64_t count, std::int64_t width) const {
  if (observers_.inputs == nullptr) return;
  (*observers_.inputs)({.block = block.index,
                        .reader = reader,
                        .count = count,
                        .width = width,
                        .rows = static_cast<const float*>(x.data),
                        .stride = x.stride});
}

void Executor::append_late_token() {
  const MutableAct x = stream();
  const MutableAct y = arena_.x_next.rows(ActType::kF32, width_);
  const std::int64_t tokens = tables_->tokens;
  for (std::int64_t image = 0; image < batch_; ++image) {
    const MutableAct to = rows_from(y, image * (tokens + 1));
    std::copy_n(model_.weights->class_token.begin(), width_, static_cast<float*>(to.data));
    std::copy_n(static_cast<const float*>(row_of(x, image * tokens)), tokens * x.stride,
                static_cast<float*>(row_of(to, 1)));
  }
  std::swap(arena_.x, arena_.x_next);
}

void Executor::add_read(const arch::BlockSpec& block) {
  const std::vector<std::int64_t>& read = model_.spec.read_blocks;
  if (std::ranges::find(read, block.index) == read.end()) return;
  const bool first = block.index == std::ranges::min(read);
  const bool last = block.index == std::ranges::max(read);
  const float factor = last ? 1.0F / static_cast<float>(read.size()) : 1.0F;
  const MutableAct sum = arena_.read.rows(ActType::kF32, width_);
  const MutableAct x = stream();
  parallel_for(0, rows(), 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      auto* to = static_cast<float*>(row_of(sum, r));
      const auto* from = static_cast<const float*>(row_of(x, r));
      for (std::int64_t c = 0; c < width_; ++c) {
        to[c] = ((first ? 0.0F : to[c]) + from[c]) * factor;
      }
    }
  });
}

ConstAct Executor::final_normed(std::int64_t tokens) {
  const MutableAct y = arena_.y.rows(ActType::kF32, width_);
  const ConstAct normed = normalise(model_.weights->final_norm, stream(), batch_ * tokens, y);
  show("final_norm", normed, tokens, width_);
  return normed;
}

// The norm of the first end token of every sequence.
void Executor::end_token_norm(const MutableAct& features) {
  const MutableAct own = arena_.token.rows(ActType::kF32, width_);
  for (std::int64_t image = 0; image < batch_; ++image) {
    const auto sequence = input_.tokens.subspan(static_cast<std::size_t>(image * tables_->tokens),
                                                static_cast<std::size_t>(tables_->tokens));
    const std::int64_t place =
        std::ranges::find(sequence, model_.spec.end_token) - sequence.begin();
    std::copy_n(static_cast<const float*>(row_of(stream(), image * tables_->tokens + place)),
                width_, static_cast<float*>(row_of(own, image)));
  }
  static_cast<void>(normalise(model_.weights->final_norm, own, batch_, features));
}

void Executor::pool_tokens(const MutableAct& features) {
  using arch::ReadOut;
  const NormWeights& norm = model_.weights->final_norm;
  const ReadOut kind = model_.spec.read_out;
  // What the blocks put out has no late token yet.
  if (kind == ReadOut::kMeanNorm) mean_rows(stream(), batch_, tables_->tokens, width_, features);
  const bool late = model_.spec.class_token == arch::ClassToken::kLate;
  if (late) append_late_token();
  const std::int64_t tokens = tables_->tokens + (late ? 1 : 0);
  ConstAct x = stream();
  if (!model_.spec.read_blocks.empty()) {
    x = arena_.read.rows(ActType::kF32, width_);
    show("read_tokens", x, tokens, width_);
  } else if (kind == ReadOut::kMean || kind == ReadOut::kNormMeanNorm ||
             kind == ReadOut::kAttention || observers_.layers != nullptr) {
    x = final_normed(tokens);
  }
  switch (kind) {
    case ReadOut::kToken: {
      ConstAct token = rows_from(stream(), model_.spec.class_token_index());
      token.stride *= tokens;
      static_cast<void>(normalise(norm, token, batch_, features));
      break;
    }
    case ReadOut::kMean:
      mean_rows(x, batch_, tokens, width_, features);
      break;
    case ReadOut::kPatchMeanNorm:
      mean_rows(stream(), batch_, tokens, width_, features,
                late || model_.spec.class_token == arch::ClassToken::kFront ? 1 : 0,
                model_.spec.num_patches());
      static_cast<void>(normalise(norm, features, batch_, features));
      break;
    case ReadOut::kNormMeanNorm:
      mean_rows(x, batch_, tokens, width_, features);
      static_cast<void>(normalise(norm, features, batch_, features));
      break;
    case ReadOut::kMeanNorm:
      static_cast<void>(normalise(norm, features, batch_, features));
      break;
    case ReadOut::kAttention:
      attention_pool(x, tokens, features);
      break;
    case ReadOut::kEnd:
      end_token_norm(features);
      break;
    case ReadOut::kTokenMax:
      CONOPA_ASSERT(false);  // Model::load refuses it
      break;
  }
}

void Executor::read_out(const Outputs& outputs, bool one_token) {
  const MutableAct features = arena_.features.rows(ActType::kF32, width_);
  if (one_token) {
    static_cast<void>(normalise(model_.weights->final_norm,
                                arena_.token.rows(ActType::kF32, width_), batch_, features));
  } else {
    pool_tokens(features);
  }
  if (!outputs.features.empty()) copy_rows(features, batch_, width_, outputs.features);
  if (!outputs.logits.empty()) classify(outputs.logits);
}

void Executor::classify(std::span<float> logits) {
  const ModelWeights& weights = *model_.weights;
  MutableAct x = arena_.features.rows(ActType::kF32, width_);
  if (!weights.head_scale.empty()) {
    const MutableAct y = arena_.head.rows(ActType::kF32, width_);
    for (std::int64_t image = 0; image < batch_; ++image) {
      const auto* from = static_cast<const float*>(row_of(x, image));
      auto* to = static_cast<float*>(row_of(y, image));
      for (std::size_t c = 0; c < weights.head_scale.size(); ++c) {
        to[c] = (from[c] - weights.head_shift[c]) * weights.head_scale[c];
      }
    }
    x = y;
  }
  if (!weights.head.packed.empty()) {
    const MutableAct out = arena_.logits.rows(ActType::kF32, model_.spec.num_classes);
    apply(weights.head, x, batch_, out);
    x = out;
  }
  if (!weights.projection.packed.empty()) {
    const MutableAct out = arena_.projected.rows(ActType::kF32, model_.spec.projection);
    apply(weights.projection, x, batch_, out);
    x = out;
  }
  copy_rows(x, batch_, model_.spec.outputs(), logits);
}

void Executor::run_blocks(std::size_t count, bool one_token) {
  for (std::size_t i = 0; i < count; ++i) {
    const arch::BlockSpec& block = model_.scope.blocks[i];
    const StageTables& tables = model_.stages[static_cast<std::size_t>(block.stage)];
    if (tables_ != &tables) embed_stage(tables);
    if (model_.spec.llm.present() && model_.spec.llm.after == block.index) run_language();
    if (one_token && i + 1 == count && !language_reads_all()) {
      run_block_for_token(block, model_.weights->blocks[i]);
      if (model_.spec.llm_last()) run_language_alone();
      return;
    }
    if (block.quantization == arch::Quantization::kLsq) {
      run_stepped_block(i);
    } else {
      run_block(block, model_.weights->blocks[i]);
    }
    if (observers_.layers != nullptr) {
      show(block.label + "_out", stream(), tables_->tokens, width_);
    }
    add_conditional(block);
    add_read(block);
  }
  if (!model_.spec.llm_last()) return;
  if (one_token) {
    run_language_for_token();
  } else {
    run_language();
  }
}

bool Executor::language_reads_all() const noexcept {
  return model_.spec.llm_last() && model_.spec.llm.mixes_tokens();
}

void Executor::run(const Outputs& outputs) {
  const bool one_token = !observers_.any() && arch::reads_one_token(model_.spec);
  embed();
  show("tokens_in", stream(), tables_->tokens, width_);
  run_blocks(model_.blocks_read(), one_token);
  read_out(outputs, one_token);
}

}  // namespace conopa::engine
