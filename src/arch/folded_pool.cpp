#include "conopa/arch/folded_pool.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "conopa/core/error.h"
#include "conopa/core/parallel.h"

namespace conopa::arch {
namespace {

constexpr double kBatchNormEps = 1e-6;

// Rows of queries · keys of one head, scaled as attention scales its scores.
std::vector<float> score_rows(const PoolTensors& pool) {
  const std::int64_t width = pool.width;
  const std::int64_t queries = std::ssize(pool.queries) / width;
  const std::int64_t head_dim = width / pool.heads;
  const double factor = 1.0 / std::sqrt(static_cast<double>(head_dim));
  std::vector<float> out(static_cast<std::size_t>(pool.heads * queries * width));
  parallel_for(0, pool.heads * queries, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<double> row(static_cast<std::size_t>(width));
    for (std::int64_t r = begin; r < end; ++r) {
      std::ranges::fill(row, 0.0);
      const std::int64_t first = r / queries * head_dim;
      for (std::int64_t d = first; d < first + head_dim; ++d) {
        const float own = pool.queries[static_cast<std::size_t>(r % queries * width + d)];
        const double query = factor * static_cast<double>(own);
        const auto key =
            pool.keys.subspan(static_cast<std::size_t>(d * width), static_cast<std::size_t>(width));
        for (std::size_t c = 0; c < row.size(); ++c) row[c] += query * static_cast<double>(key[c]);
      }
      for (std::size_t c = 0; c < row.size(); ++c) {
        const double scale =
            pool.norm.scale.empty() ? 1.0 : static_cast<double>(pool.norm.scale[c]);
        out[static_cast<std::size_t>(r * width) + c] = static_cast<float>(row[c] * scale);
      }
    }
  });
  return out;
}

// Multiplies the norm into the values; what it takes off goes to the bias.
void fold_norm(const ChannelShift& norm, FoldedPool& out) {
  const std::size_t width = norm.scale.size();
  parallel_for(0, std::ssize(out.bias), 16, [&](std::int64_t begin, std::int64_t end) {
    for (auto r = static_cast<std::size_t>(begin); r < static_cast<std::size_t>(end); ++r) {
      double taken = 0.0;
      for (std::size_t c = 0; c < width; ++c) {
        float& value = out.values[r * width + c];
        const double weight = static_cast<double>(value) * static_cast<double>(norm.scale[c]);
        taken += weight * static_cast<double>(norm.shift[c]);
        value = static_cast<float>(weight);
      }
      out.bias[r] -= static_cast<float>(taken);
    }
  });
}

}  // namespace

ChannelShift batch_norm_shift(std::vector<float> mean, std::span<const float> variance) {
  CONOPA_ASSERT(mean.size() == variance.size());
  ChannelShift out{.shift = std::move(mean), .scale = {}};
  for (const float value : variance) {
    out.scale.push_back(
        static_cast<float>(1.0 / std::sqrt(static_cast<double>(value) + kBatchNormEps)));
  }
  return out;
}

FoldedPool fold_pool(const PoolTensors& pool) {
  CONOPA_ASSERT(std::ssize(pool.keys) == pool.width * pool.width);
  CONOPA_ASSERT(pool.values.size() == pool.keys.size());
  FoldedPool out{.scores = score_rows(pool),
                 .values = {pool.values.begin(), pool.values.end()},
                 .bias = {pool.value_bias.begin(), pool.value_bias.end()}};
  out.bias.resize(static_cast<std::size_t>(pool.width), 0.0F);
  if (!pool.norm.scale.empty()) fold_norm(pool.norm, out);
  return out;
}

}  // namespace conopa::arch
