// The decoder that predicts the next patch of every token.

#include <algorithm>
#include <utility>

#include "conopa/core/parallel.h"
#include "engine/executor.h"

namespace conopa::engine {

using kernels::ActType;
using kernels::ConstAct;
using kernels::MutableAct;

void Executor::run_decoder_block(const arch::BlockSpec& block, const BlockWeights& w) {
  const MutableAct x = stream();
  switch (block.mixer) {
    case arch::Mixer::kAttention:
      run_block(block, w);
      return;
    case arch::Mixer::kIdentity: {
      const MutableAct y = normalise(w.norm1, x, rows(), arena_.y.rows(ActType::kF32, width_));
      parallel_for(0, rows() * x.stride, 4096, [&](std::int64_t begin, std::int64_t end) {
        auto* to = static_cast<float*>(x.data);
        const auto* from = static_cast<const float*>(y.data);
        for (std::int64_t i = begin; i < end; ++i) to[i] += from[i];
      });
      break;
    }
    case arch::Mixer::kNone:
      break;
  }
  feed_forward(block, w, x, rows());
}

// From the encoder's stream to the decoder's, through its blocks.
void Executor::decode() {
  const DecoderWeights& decoder = model_.weights->decoder;
  const ConstAct latent =
      normalise(model_.weights->final_norm, stream(), rows(), norm_output(width_));
  const std::int64_t W = model_.spec.decoder_dim;
  const MutableAct x = arena_.x_next.rows(ActType::kF32, W);
  kernels::linear(
      {.M = rows(),
       .x = latent,
       .weight = &decoder.embed.packed,
       .epilogue = {.bias = decoder.embed.bias.empty() ? nullptr : decoder.embed.bias.data(),
                    .residual = tables_->decoder_position.data(),
                    .residual_stride = x.stride,
                    .residual_rows = tables_->tokens},
       .y = x});
  std::swap(arena_.x, arena_.x_next);
  width_ = W;
  for (std::size_t i = 0; i < decoder.blocks.size(); ++i) {
    run_decoder_block(model_.scope.decoder_blocks[i], decoder.blocks[i]);
  }
}

void Executor::predict(std::span<float> patches) {
  const DecoderWeights& decoder = model_.weights->decoder;
  embed();
  run_blocks(model_.scope.blocks.size(), false);
  const bool plain = decoder.blocks.empty();
  observers_ = {};  // they know the encoder's blocks
  if (!plain) decode();
  const MutableAct y = normalise(plain ? model_.weights->final_norm : decoder.norm, stream(),
                                 rows(), arena_.y.rows(ActType::kF32, width_));
  const std::int64_t outputs = model_.spec.patch_outputs();
  const MutableAct out = arena_.x_next.rows(ActType::kF32, outputs);
  apply(decoder.out, y, rows(), out);
  for (std::int64_t r = 0; r < rows(); ++r) {
    std::copy_n(static_cast<const float*>(row_of(out, r)), outputs, patches.begin() + r * outputs);
  }
}

}  // namespace conopa::engine
