#include "engine/arena.h"

#include <algorithm>

namespace conopa::engine {
namespace {

using kernels::act_padded;
using kernels::act_size;
using kernels::ActType;

std::int64_t row_bytes(ActType type, std::int64_t width) {
  return act_padded(type, width) * act_size(type);
}

// The largest need of every buffer over stages and blocks, in bytes.
struct Needs {
  std::int64_t x = 0, y = 0, pooled = 0, wide = 0, keys = 0, quantised = 0, rows = 0, map = 0,
               gate = 0, read = 0, pool_scores = 0, pool_weights = 0, pool_tokens = 0;

  bool observed = false;

  static void grow(std::int64_t& need, std::int64_t bytes) { need = std::max(need, bytes); }

  void add_decoder(const Model::Impl& model, std::int64_t count) {
    const ActType input = model.types.input;
    const ActType wide_type = model.types.wide;
    grow(x, count * row_bytes(ActType::kF32, model.spec.patch_outputs()));
    for (const arch::BlockSpec& block : model.scope.decoder_blocks) {
      grow(x, count * row_bytes(ActType::kF32, block.dim));
      grow(y, count * std::max(row_bytes(input, block.dim), row_bytes(ActType::kF32, block.dim)));
      grow(wide, count * (row_bytes(wide_type, 3 * block.dim) + row_bytes(wide_type, block.dim)));
      grow(wide, count * row_bytes(wide_type, block.mlp_hidden));
      if (input == ActType::kI8) {
        grow(quantised, count * row_bytes(input, std::max(block.dim, block.mlp_hidden)));
      }
    }
  }

  // The plain form over all tokens; the short one needs less.
  void add_language(const Model::Impl& model, std::int64_t batch, std::int64_t count) {
    const ActType input = model.types.input;
    const ActType wide_type = model.types.wide;
    const arch::LanguageBlock& llm = model.spec.llm;
    const bool folded = !model.weights->language.keys.empty();
    const std::int64_t all = folded && !observed ? batch : count;
    grow(x, all * row_bytes(ActType::kF32, llm.dim));
    grow(y, all * std::max(row_bytes(input, llm.dim), row_bytes(ActType::kF32, llm.dim)));
    if (input == ActType::kI8) {
      grow(quantised, all * row_bytes(input, std::max(llm.dim, llm.hidden)));
    }
    if (!llm.has_blocks()) return;
    grow(wide, all * (row_bytes(wide_type, 3 * llm.dim) + row_bytes(wide_type, llm.dim)));
    grow(wide, all * row_bytes(wide_type, llm.hidden));
    if (arch::reads_one_token(model.spec)) grow(keys, all * row_bytes(wide_type, 2 * llm.dim));
  }

  void add(const Model::Impl& model, const StageTables& t, std::int64_t batch) {
    const arch::Stage& s = t.stage;
    const ActType input = model.types.input;
    const ActType wide_type = model.types.wide;
    const std::int64_t late = model.spec.class_token == arch::ClassToken::kLate ? 1 : 0;
    const std::int64_t count = batch * (t.tokens + late);
    const std::int64_t padded = std::max(count, batch * (t.tokens + t.pads));
    grow(rows, padded);
    grow(x, count * row_bytes(ActType::kF32, s.dim));
    // Norm outputs in the input type or wide, float32 for a read-out; patches wide.
    grow(y, padded * std::max({row_bytes(input, s.dim), row_bytes(wide_type, s.dim),
                               row_bytes(ActType::kF32, s.dim)}));
    grow(y, batch * s.tokens() * row_bytes(wide_type, s.channels * s.patch * s.patch));
    grow(wide, padded * (row_bytes(wide_type, 3 * s.dim) + row_bytes(wide_type, s.dim)));
    grow(wide, count * row_bytes(wide_type, s.mlp_hidden));
    if (input == ActType::kI8) {
      grow(quantised, padded * row_bytes(input, std::max(s.dim, s.mlp_hidden)));
    }
    if (model.spec.quantization == arch::Quantization::kLsq) {
      grow(map, batch * s.heads * t.tokens * t.tokens * act_size(ActType::kF32));
      grow(gate, count * row_bytes(ActType::kF32, s.mlp_hidden));
    }
    if (!model.spec.read_blocks.empty()) grow(read, count * row_bytes(ActType::kF32, s.dim));
    if (!model.weights->pool.scores.packed.empty()) {
      const std::int64_t columns = model.weights->pool.scores.packed.outputs();
      grow(pool_scores, count * row_bytes(ActType::kF32, columns));
      grow(pool_weights, batch * s.heads * row_bytes(ActType::kF32, t.tokens + late));
      grow(pool_tokens, batch * s.heads * row_bytes(ActType::kF32, s.dim));
    }
    if (model.scope.decoder) add_decoder(model, count);
    if (model.spec.llm.present()) add_language(model, batch, count);
    const std::int64_t key_count = batch * s.key_rows() * s.key_cols();
    if (!model.spec.pyramid()) {
      if (arch::reads_one_token(model.spec)) {
        grow(keys, count * row_bytes(wide_type, 2 * s.dim));
      }
      return;
    }
    grow(keys, key_count * row_bytes(wide_type, 2 * s.dim));
    if (s.reduction == 1) return;
    grow(pooled, key_count * (row_bytes(wide_type, s.dim * s.reduction * s.reduction) +
                              row_bytes(ActType::kF32, s.dim) + row_bytes(input, s.dim)));
  }
};

}  // namespace

Arena::Arena(const Model::Impl& model, std::int64_t images, bool observed)
    : batch(images), for_observers(observed || model.weights->language.keys.empty()) {
  Needs needs;
  needs.observed = for_observers;
  for (const StageTables& tables : model.stages) needs.add(model, tables, batch);
  const std::int64_t language = model.spec.llm.present() ? model.spec.llm.dim : 0;
  const std::int64_t width = row_bytes(ActType::kF32, model.spec.dim);
  const auto floats = [](std::int64_t count) {
    return count * static_cast<std::int64_t>(sizeof(float));
  };
  x = Buffer(needs.x);
  x_next = Buffer(needs.x);
  y = Buffer(needs.y);
  pooled = Buffer(needs.pooled);
  wide = Buffer(needs.wide);
  keys = Buffer(needs.keys);
  quantised = Buffer(needs.quantised);
  map = Buffer(needs.map);
  gate = Buffer(needs.gate);
  scales = Buffer(floats(needs.rows));
  quantised_scales = Buffer(floats(needs.rows));
  token = Buffer(batch * std::max(width, row_bytes(ActType::kF32, language)));
  language_token = Buffer(token.bytes());
  if (!model.weights->language.keys.empty()) {
    const std::int64_t H = model.spec.llm.heads;
    language_heads = Buffer(H * batch * row_bytes(ActType::kF32, language / H));
    language_targets = Buffer(H * batch * width);
    language_factors = Buffer(floats(batch * model.stages.front().tokens));
  }
  features = Buffer(batch * width);
  head = Buffer(batch * width);
  projected = Buffer(batch * row_bytes(ActType::kF32, model.spec.projection));
  read = Buffer(needs.read);
  pool_scores = Buffer(needs.pool_scores);
  pool_weights = Buffer(needs.pool_weights);
  pool_tokens = Buffer(needs.pool_tokens);
  logits = Buffer(batch * row_bytes(ActType::kF32, model.spec.num_classes));
  for (const StageTables& tables : model.stages) {
    auto& groups = windows.emplace_back();
    for (const arch::WindowGroup& group : tables.windows.groups) {
      groups.push_back(tables.window_rows(group, batch, pad_base_of(tables)));
    }
  }
}

std::int64_t Arena::bytes() const noexcept {
  std::int64_t sum = 0;
  for (const Buffer* buffer : {&x,
                               &x_next,
                               &y,
                               &pooled,
                               &wide,
                               &keys,
                               &quantised,
                               &scales,
                               &quantised_scales,
                               &map,
                               &gate,
                               &token,
                               &features,
                               &head,
                               &logits,
                               &projected,
                               &read,
                               &pool_scores,
                               &pool_weights,
                               &pool_tokens,
                               &language_token,
                               &language_heads,
                               &language_targets,
                               &language_factors}) {
    sum += buffer->bytes();
  }
  for (const auto& stage : windows) {
    for (const auto& rows : stage) {
      sum += static_cast<std::int64_t>(rows.size() * sizeof(std::int32_t));
    }
  }
  return sum;
}

}  // namespace conopa::engine
