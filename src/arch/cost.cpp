#include "conopa/arch/cost.h"

#include "conopa/arch/block_spec.h"
#include "conopa/arch/tensor_table.h"

namespace conopa::arch {
namespace {

std::int64_t round_up(std::int64_t value, std::int64_t unit) {
  return (value + unit - 1) / unit * unit;
}

std::int64_t mlp_macs(const BlockSpec& block) {
  return (block.mlp == Mlp::kSwiglu ? 3 : 2) * block.dim * block.mlp_hidden;
}

// Tokens that a block of windows projects: zero rows that fill the last windows count if attended.
std::int64_t window_tokens(const EncoderSpec& spec, const Stage& stage) {
  if (spec.window_padding == WindowPadding::kMasked) return stage.tokens();
  return round_up(stage.rows, stage.window) * round_up(stage.cols, stage.window);
}

// Query-key pairs of a block of windows.
std::int64_t window_pairs(const EncoderSpec& spec, const Stage& stage) {
  const std::int64_t w = stage.window;
  if (spec.window_padding == WindowPadding::kAttended) return window_tokens(spec, stage) * w * w;
  const auto squares = [w](std::int64_t side) {
    return side / w * w * w + (side % w) * (side % w);
  };
  return squares(stage.rows) * squares(stage.cols);
}

void add_block(const EncoderSpec& spec, const Stage& stage, const BlockSpec& block, Cost& cost) {
  const std::int64_t D = block.dim;
  const std::int64_t N = stage.tokens() + (spec.class_token_in_blocks() ? 1 : 0);
  if (block.window > 0) {
    const std::int64_t padded = window_tokens(spec, stage);
    cost.projections += padded * 3 * D * D + N * D * D;
    cost.attention += 2 * window_pairs(spec, stage) * D;
  } else if (block.separate_queries) {
    const std::int64_t M = stage.key_rows() * stage.key_cols();
    const std::int64_t pooling =
        block.reduction > 1 ? M * D * D * block.reduction * block.reduction : 0;
    cost.projections += 2 * N * D * D + M * 2 * D * D + pooling;
    cost.attention += 2 * N * M * D;
  } else {
    cost.projections += N * 4 * D * D;
    cost.attention += 2 * N * N * D;
  }
  cost.mlp += N * mlp_macs(block);
}

void add_decoder(const EncoderSpec& spec, Cost& cost) {
  std::int64_t N = spec.num_patches() + (spec.has_class_token() ? 1 : 0);
  const std::vector<BlockSpec> blocks = decoder_blocks(spec);
  const std::int64_t W = blocks.empty() ? spec.dim : spec.decoder_dim;
  const std::int64_t words = spec.decoder == Decoder::kCaption ? spec.decoder_context + 1 : 0;
  if (!blocks.empty()) cost.decoder += N * W * spec.dim;
  cost.decoder += N * W * spec.patch_outputs() + words * W * spec.decoder_vocabulary;
  N += words;
  for (const BlockSpec& block : blocks) {
    if (block.mixer == Mixer::kAttention) cost.decoder += N * 4 * W * W + 2 * N * N * W;
    cost.decoder += N * mlp_macs(block);
  }
}

// Of `queries` tokens that look at N.
std::int64_t language_macs(const BlockSpec& block, std::int64_t queries, std::int64_t N) {
  const std::int64_t D = block.dim;
  const std::int64_t attention =
      block.mixer == Mixer::kAttention ? 2 * (queries + N) * D * D + 2 * queries * N * D : 0;
  return attention + queries * mlp_macs(block);
}

std::int64_t whole_language_block(const EncoderSpec& spec) {
  if (!spec.llm.present()) return 0;
  const std::int64_t N = spec.num_tokens();
  std::int64_t sum = 2 * N * spec.dim * spec.llm.dim;
  for (const BlockSpec& block : language_blocks(spec)) sum += language_macs(block, N, N);
  return sum;
}

// What is left of it if one token is read.
std::int64_t short_language_block(const EncoderSpec& spec) {
  const std::int64_t N = spec.num_tokens();
  const std::int64_t C = spec.dim;
  const std::int64_t D = spec.llm.dim;
  const std::vector<BlockSpec> blocks = language_blocks(spec);
  if (!spec.llm.mixes_tokens()) {
    std::int64_t sum = 2 * C * D;
    for (const BlockSpec& block : blocks) sum += language_macs(block, 1, 1);
    return sum;
  }
  if (folds_language_block(spec)) {
    const std::int64_t H = spec.llm.heads;
    // Mappers; query and projection, its scores' and sums' way through both merged maps; the sizes
    // of the norm, scores and sums over the tokens.
    return 2 * C * D + 2 * D * D + 2 * D * C + N * (C * C + C) + 2 * N * H * C +
           mlp_macs(blocks[0]);
  }
  std::int64_t sum = (N + 1) * C * D;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    sum += language_macs(blocks[i], i + 1 < blocks.size() ? N : 1, N);
  }
  return sum;
}

// Of the PointNet (the part of its third layer that reads a group's maximum runs once a group),
// and of the position network.
std::int64_t point_macs(const EncoderSpec& spec) {
  const PointInput& p = spec.point;
  const std::int64_t point = spec.channels * p.kFirst + p.kFirst * p.kLocal +
                             (p.kJoined - p.kLocal) * p.kJoined + p.kJoined * p.width;
  const std::int64_t centre =
      spec.position == Position::kCentres ? p.kPosition * (spec.channels + spec.dim) : 0;
  return spec.width * (p.group * point + p.kLocal * p.kJoined + p.width * spec.dim + centre);
}

// Keys and values of every token, scores and sums of the queries.
std::int64_t pool_macs(const EncoderSpec& spec) {
  if (spec.read_out != ReadOut::kAttention) return 0;
  const std::int64_t N = spec.num_tokens();
  return 2 * N * spec.dim * spec.dim + 2 * spec.pool_queries * N * spec.dim;
}

}  // namespace

Cost count_cost(const EncoderSpec& spec) {
  Cost cost;
  const std::vector<Stage> stages = spec.stages();
  for (const Stage& stage : stages) {
    if (spec.input == Input::kTokens) break;  // a row of a table each
    if (spec.input == Input::kPoints) {
      cost.patch_embed = point_macs(spec);
      break;
    }
    cost.patch_embed += stage.tokens() * stage.dim * stage.channels * stage.patch * stage.patch;
    if (spec.position == Position::kConditional) cost.patch_embed += stage.tokens() * stage.dim * 9;
  }
  for (const BlockSpec& block : encoder_blocks(spec)) {
    add_block(spec, stages[static_cast<std::size_t>(block.stage)], block, cost);
  }
  cost.llm = whole_language_block(spec);
  const std::int64_t features = spec.num_classes > 0 ? spec.num_classes : spec.dim;
  const std::int64_t read = spec.head_hidden > 0 ? spec.head_hidden : spec.feature_dim();
  cost.head = spec.feature_dim() * spec.head_hidden + read * spec.num_classes +
              features * spec.projection + pool_macs(spec);
  if (spec.neck == Neck::kDeconvPyramid) {
    // fpn1: two deconvolutions (×2, ×4), fpn2: one; each input position makes 4 outputs.
    cost.neck = spec.num_patches() * 4 * spec.dim * spec.dim * (1 + 4 + 1);
  }
  if (spec.decoder != Decoder::kNone) add_decoder(spec, cost);
  cost.parameters = TensorTable(spec).parameter_count();
  return cost;
}

std::int64_t inference_macs(const EncoderSpec& spec) {
  const Cost cost = count_cost(spec);
  std::int64_t all = cost.macs() - cost.neck - cost.decoder;
  if (spec.blocks_to_run() < spec.depth) {  // blocks that nobody reads do not run
    EncoderSpec shorter = spec;
    shorter.depth = spec.blocks_to_run();
    const Cost less = count_cost(shorter);
    all = less.macs() - less.neck - less.decoder;
  }
  if (!reads_one_token(spec)) return all;
  if (spec.llm_last()) all += short_language_block(spec) - cost.llm;
  if (spec.llm_last() && spec.llm.mixes_tokens()) return all;  // which reads every token
  const BlockSpec last = encoder_blocks(spec).back();
  const std::int64_t N = spec.num_tokens();
  const std::int64_t D = last.dim;
  return all - (N - 1) * (2 * D * D + 2 * N * D +
                          mlp_macs(last));  // query, projection, scores, feed-forward
}

}  // namespace conopa::arch
