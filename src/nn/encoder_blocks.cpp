// From images through the embeddings and blocks of every stage.

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>

#include "nn/block.h"
#include "nn/dropout.h"
#include "nn/encoder_stream.h"
#include "nn/language_unit.h"
#include "nn/patches.h"
#include "nn/point_embedding.h"

namespace conopa::nn {
namespace {

namespace names = arch::names;

}  // namespace

at::Tensor Encoder::with_class_and_position(std::size_t stage, at::Tensor x,
                                            const Pass& pass) const {
  const std::int64_t D = x.size(2);
  if (!spec_.position_class_row) x = positioned(stage, x);
  if (spec_.class_token_in_blocks()) {
    const at::Tensor token = parameters_.require(names::kClassToken).expand({pass.batch, 1, D});
    x = spec_.class_token == arch::ClassToken::kFront ? at::cat({token, x}, 1)
                                                      : at::cat({x, token}, 1);
  }
  return spec_.position_class_row ? positioned(stage, x) : x;
}

at::Tensor Encoder::positioned(std::size_t stage, const at::Tensor& x) const {
  if (spec_.position == arch::Position::kSinCosComputed) return x + stages_[stage].position;
  if (spec_.position != arch::Position::kLearned && spec_.position != arch::Position::kSinCos) {
    return x;
  }
  at::Tensor position =
      parameters_.require(names::position(spec_, static_cast<std::int64_t>(stage)));
  if (spec_.position_spare_row) position = position.narrow(1, 1, x.size(1));
  return x + position;
}

void Encoder::keep_visible(at::Tensor& x, Pass& pass) const {
  at::Tensor tokens = pass.options.visible;
  if (spec_.class_token == arch::ClassToken::kFront) tokens = tokens + 1;
  if (spec_.class_token_in_blocks()) {
    const at::Tensor own = at::full({pass.batch, 1}, spec_.class_token_index(), tokens.options());
    tokens = spec_.class_token == arch::ClassToken::kFront ? at::cat({own, tokens}, 1)
                                                           : at::cat({tokens, own}, 1);
  }
  x = x.gather(1, tokens.unsqueeze(2).expand({pass.batch, tokens.size(1), x.size(2)}));
  pass.rotation = pass.rotation.gather(tokens);
}

at::Tensor Encoder::embedded(std::size_t stage, const at::Tensor& images, const Stream& stream,
                             const Pass& pass) const {
  const arch::Stage& s = stages_[stage].stage;
  const auto index = static_cast<std::int64_t>(stage);
  if (spec_.input == arch::Input::kTokens) {
    return at::embedding(parameters_.require(std::string(names::kTokenEmbed) + ".weight"), images)
        .view({-1, s.dim});
  }
  at::Tensor patches;
  if (stage == 0) {
    patches = image_patches(images, s.patch);
  } else {
    const arch::Stage& before = stages_[stage - 1].stage;
    patches = map_patches(add_branch(stream.x, stream.pending)
                              .view({pass.batch, before.rows, before.cols, before.dim}),
                          s.patch);
  }
  const std::string proj = names::patch_proj(spec_, index);
  at::Tensor x = linear(patches, parameters_.require(proj + ".weight").view({s.dim, -1}),
                        parameters_.require(proj + ".bias"), pass.options.exec);
  if (!spec_.patch_norm) return x;
  const NormParameters norm =
      norm_of(parameters_, names::patch_norm(spec_, index), spec_.norm, spec_.norm_eps);
  return add_norm(x, {}, norm, pass.options.exec).second;
}

void Encoder::embed(std::size_t stage, const at::Tensor& images, Stream& stream, Pass& pass) const {
  const arch::Stage& s = stages_[stage].stage;
  at::Tensor x = spec_.input == arch::Input::kPoints ? embed_points(images, parameters_, pass)
                                                     : embedded(stage, images, stream, pass);
  if (pass.captures()) {
    pass.keep(spec_.pyramid() ? fmt::format("stage{}_patch_embed", stage) : "patch_embed", x);
  }
  x = with_class_and_position(stage, x.view({pass.batch, s.tokens(), s.dim}), pass);
  pass.tables = &stages_[stage];
  pass.rotation = stages_[stage].tokens;
  if (pass.options.visible.defined()) keep_visible(x, pass);
  if (stage == 0 && pass.options.training && spec_.dropout > 0.0) {
    x = dropout(x, spec_.dropout, pass.options.random, DropPlace::kTokens);
  }
  pass.tokens = x.size(1);
  stream = {.x = x.reshape({pass.batch * pass.tokens, s.dim}), .pending = {}};
  if (stage == 0) pass.keep("tokens_in", stream.x);
}

void Encoder::add_conditional(const arch::BlockSpec& block, Stream& stream,
                              const Pass& pass) const {
  const arch::Stage& s = pass.tables->stage;
  if (spec_.position != arch::Position::kConditional || block.index != s.first_block) return;
  const std::string conv = names::conditional(s.index);
  const at::Tensor tokens =
      add_branch(stream.x, stream.pending).view({pass.batch, pass.tokens, s.dim});
  const std::int64_t front = spec_.class_token == arch::ClassToken::kFront ? 1 : 0;
  const at::Tensor map = tokens.narrow(1, front, s.tokens())
                             .transpose(1, 2)
                             .reshape({pass.batch, s.dim, s.rows, s.cols});
  at::Tensor added = at::conv2d(map, parameters_.require(conv + ".weight"),
                                parameters_.require(conv + ".bias"), 1, 1, 1, s.dim)
                         .flatten(2)
                         .transpose(1, 2)
                         .to(tokens.scalar_type());
  if (pass.tokens > s.tokens()) {  // the class token has no place on the map
    const at::Tensor none = at::zeros({pass.batch, 1, s.dim}, tokens.options());
    added = front == 1 ? at::cat({none, added}, 1) : at::cat({added, none}, 1);
  }
  stream = {.x = (tokens + added).reshape({-1, s.dim}), .pending = {}};
}

// The one behind all blocks is the read-out's, which may need it for one token alone.
void Encoder::add_language(std::int64_t blocks_before, Stream& stream, const Pass& pass) const {
  if (!spec_.llm.present() || spec_.llm.after != blocks_before) return;
  const LanguageUnit unit(spec_, language_, parameters_);
  stream.x = unit.run(add_branch(stream.x, stream.pending), pass);
  stream.pending = {};
}

Encoder::Stream Encoder::run_blocks(const at::Tensor& images, std::size_t count, Pass& pass) const {
  const ForwardOptions& options = pass.options;
  Stream stream;
  embed(0, images, stream, pass);
  for (std::size_t i = 0; i < count; ++i) {
    const auto stage = static_cast<std::size_t>(blocks_[i].stage);
    if (pass.tables != &stages_[stage]) embed(stage, images, stream, pass);
    add_language(blocks_[i].index, stream, pass);
    if (pass.positions.defined()) stream.x = stream.x + pass.positions;
    const Block block(blocks_[i], parameters_);
    if (options.checkpoint_blocks && options.training && !pass.captures()) {
      block.run_checkpointed(stream.x, stream.pending, pass);
    } else {
      block.run(stream.x, stream.pending, pass);
    }
    add_conditional(blocks_[i], stream, pass);
    sum_reads(blocks_[i].index, stream, pass);
  }
  return stream;
}

Encoder::Stream Encoder::run_through(const at::Tensor& images, std::size_t count,
                                     Pass& pass) const {
  Stream stream = run_blocks(images, count, pass);
  add_language(static_cast<std::int64_t>(count), stream, pass);
  return stream;
}

void Encoder::sum_reads(std::int64_t block, Stream& stream, const Pass& pass) {
  at::Tensor out;
  stream.reads.resize(pass.read_lists.size());
  for (std::size_t i = 0; i < stream.reads.size(); ++i) {
    const std::vector<std::int64_t>& list = pass.read_lists[i];
    if (std::ranges::find(list, block) == list.end()) continue;
    if (!out.defined()) out = add_branch(stream.x, stream.pending);
    at::Tensor& sum = stream.reads[i];
    sum = sum.defined() ? sum + out : out;
  }
}

}  // namespace conopa::nn
