// What stands behind the blocks: pooling, head, projection and decoder.

#include "conopa/core/error.h"
#include "engine/weight_loader.h"

namespace conopa::engine {

namespace names = arch::names;

StoredMatrix WeightLoader::token_embedding() const {
  const std::string name = std::string(names::kTokenEmbed) + ".weight";
  StoredMatrix out = matrix(name);
  if (!out.is_float()) {
    throw UnsupportedError(source_.where(),
                           "expected float values in {}, found quantised ones; quantise the model "
                           "again",
                           name);
  }
  return out;
}

arch::ChannelShift WeightLoader::head_norm() const {
  if (spec_.head_norm != arch::HeadNorm::kBatch) return {};
  const std::string prefix(names::kHeadNorm);
  return arch::batch_norm_shift(floats(prefix + ".running_mean"), floats(prefix + ".running_var"));
}

void WeightLoader::load_head(ModelWeights& out) const {
  if (spec_.read_out == arch::ReadOut::kAttention) {
    out.pool = pool(head_norm());
  } else if (spec_.num_classes > 0) {
    arch::ChannelShift norm = head_norm();
    out.head_shift = std::move(norm.shift);
    out.head_scale = std::move(norm.scale);
  }
  if (spec_.num_classes > 0) out.head = linear(std::string(names::kHead), ActType::kF32);
  if (spec_.projection > 0) {
    out.projection = linear(std::string(names::kProjection), ActType::kF32);
  }
}

PoolWeights WeightLoader::pool(const arch::ChannelShift& norm) const {
  const std::int64_t D = spec_.dim;
  const std::int64_t H = spec_.heads;
  const std::int64_t Dh = D / H;
  const std::string value(names::kPoolValue);
  const arch::FoldedPool folded =
      arch::fold_pool({.queries = floats(std::string(names::kPoolQueries)),
                       .keys = floats(std::string(names::kPoolKey) + ".weight"),
                       .values = floats(value + ".weight"),
                       .value_bias = floats_or_none(value + ".bias"),
                       .norm = norm,
                       .width = D,
                       .heads = H});
  PoolWeights out{.scores = packed(folded.scores, H * spec_.pool_queries, ActType::kF32),
                  .values = {}};
  for (std::int64_t h = 0; h < H; ++h) {
    const auto from = folded.values.begin() + h * Dh * D;
    const auto bias = folded.bias.begin() + h * Dh;
    out.values.push_back(packed({from, from + Dh * D}, Dh, ActType::kF32));
    out.values.back().bias.assign(bias, bias + Dh);
  }
  return out;
}

DecoderWeights WeightLoader::decoder(const std::vector<arch::BlockSpec>& blocks) const {
  DecoderWeights out;
  if (!blocks.empty()) {
    out.embed = linear(std::string(names::kDecoderEmbed), types_.input);
    for (const arch::BlockSpec& b : blocks) out.blocks.push_back(block(b, false));
    out.norm = norm(std::string(names::kDecoderNorm));
  }
  out.out = linear(std::string(names::kDecoderOut), ActType::kF32);
  return out;
}

}  // namespace conopa::engine
