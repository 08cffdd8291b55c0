// What stands behind the blocks: pooling, head, projection and decoder.

#include <cmath>

#include "conopa/core/error.h"
#include "conopa/core/parallel.h"
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

WeightLoader::HeadNorm WeightLoader::head_norm() const {
  if (spec_.head_norm != arch::HeadNorm::kBatch) return {};
  constexpr double kBatchNormEps = 1e-6;
  const std::string prefix(names::kHeadNorm);
  HeadNorm out{.shift = floats(prefix + ".running_mean"), .scale = floats(prefix + ".running_var")};
  for (float& value : out.scale) {
    value = static_cast<float>(1.0 / std::sqrt(static_cast<double>(value) + kBatchNormEps));
  }
  return out;
}

void WeightLoader::load_head(ModelWeights& out) const {
  if (spec_.read_out == arch::ReadOut::kAttention) {
    out.pool = pool(head_norm());
  } else if (spec_.num_classes > 0) {
    HeadNorm norm = head_norm();
    out.head_shift = std::move(norm.shift);
    out.head_scale = std::move(norm.scale);
  }
  if (spec_.num_classes > 0) out.head = linear(std::string(names::kHead), ActType::kF32);
  if (spec_.projection > 0) {
    out.projection = linear(std::string(names::kProjection), ActType::kF32);
  }
}

PoolWeights WeightLoader::pool(const HeadNorm& norm) const {
  const std::int64_t D = spec_.dim;
  const std::int64_t H = spec_.heads;
  const std::int64_t Q = spec_.pool_queries;
  const std::int64_t Dh = D / H;
  const std::vector<float> queries = floats(std::string(names::kPoolQueries));
  const std::vector<float> keys = floats(std::string(names::kPoolKey) + ".weight");
  const double score_scale = 1.0 / std::sqrt(static_cast<double>(Dh));
  const auto at = [D](const std::vector<float>& m, std::int64_t row, std::int64_t column) {
    return static_cast<double>(m[static_cast<std::size_t>(row * D + column)]);
  };
  const auto scale_of = [&norm](std::int64_t c) {
    return norm.scale.empty() ? 1.0 : static_cast<double>(norm.scale[static_cast<std::size_t>(c)]);
  };
  std::vector<float> scores(static_cast<std::size_t>(H * Q * D));  // row h*Q + q
  parallel_for(0, H * Q, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<double> row(static_cast<std::size_t>(D));
    for (std::int64_t r = begin; r < end; ++r) {
      std::ranges::fill(row, 0.0);
      for (std::int64_t d = r / Q * Dh; d < (r / Q + 1) * Dh; ++d) {
        const double query = score_scale * at(queries, r % Q, d);
        for (std::int64_t c = 0; c < D; ++c) {
          row[static_cast<std::size_t>(c)] += query * at(keys, d, c);
        }
      }
      for (std::int64_t c = 0; c < D; ++c) {
        scores[static_cast<std::size_t>(r * D + c)] =
            static_cast<float>(row[static_cast<std::size_t>(c)] * scale_of(c));
      }
    }
  });
  PoolWeights out{.scores = packed(scores, H * Q, ActType::kF32), .values = {}};

  const std::string value(names::kPoolValue);
  std::vector<float> values = floats(value + ".weight");
  std::vector<float> bias = floats_or_none(value + ".bias");
  bias.resize(static_cast<std::size_t>(D), 0.0F);
  parallel_for(0, D, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end && !norm.scale.empty(); ++r) {
      double shift = 0.0;
      for (std::int64_t c = 0; c < D; ++c) {
        const double weight = at(values, r, c) * scale_of(c);
        shift += weight * static_cast<double>(norm.shift[static_cast<std::size_t>(c)]);
        values[static_cast<std::size_t>(r * D + c)] = static_cast<float>(weight);
      }
      bias[static_cast<std::size_t>(r)] -= static_cast<float>(shift);
    }
  });
  for (std::int64_t h = 0; h < H; ++h) {
    const auto from = values.begin() + h * Dh * D;
    out.values.push_back(packed({from, from + Dh * D}, Dh, ActType::kF32));
    out.values.back().bias.assign(bias.begin() + h * Dh, bias.begin() + (h + 1) * Dh);
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
