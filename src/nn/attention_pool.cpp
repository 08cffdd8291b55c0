#include "conopa/nn/attention_pool.h"

#include <ATen/ops/cat.h>

namespace conopa::nn {

PoolParameters pool_parameters(const Parameters& parameters, std::int64_t heads) {
  namespace names = arch::names;
  const std::string key(names::kPoolKey);
  const std::string value(names::kPoolValue);
  return {.queries = parameters.require(names::kPoolQueries),
          .key_weight = parameters.require(key + ".weight"),
          .key_bias = parameters.get(key + ".bias"),
          .value_weight = parameters.require(value + ".weight"),
          .value_bias = parameters.get(value + ".bias"),
          .heads = heads};
}

at::Tensor attention_pool(const at::Tensor& tokens, const PoolParameters& pool, const Exec& exec) {
  const std::int64_t B = tokens.size(0);
  const std::int64_t N = tokens.size(1);
  const std::int64_t D = tokens.size(2);
  const std::int64_t Q = pool.queries.size(1);
  const at::Tensor weight = at::cat({pool.key_weight, pool.value_weight}, 0);
  const at::Tensor bias =
      pool.key_bias.defined() ? at::cat({pool.key_bias, pool.value_bias}, 0) : at::Tensor();
  const at::Tensor kv = linear(tokens.reshape({B * N, D}), weight, bias, exec);
  const at::Tensor q =
      pool.queries.expand({B, Q, D}).reshape({B * Q, D}).to(kv.scalar_type()).contiguous();
  AttentionConstants constants;
  constants.heads = pool.heads;
  constants.head_dim = D / pool.heads;
  return cross_attention(q, kv, N, constants, {}, exec).view({B, Q, D}).mean(1);
}

}  // namespace conopa::nn
