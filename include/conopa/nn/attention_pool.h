#pragma once

#include <ATen/core/Tensor.h>

#include "conopa/nn/ops.h"
#include "conopa/nn/parameters.h"

namespace conopa::nn {

/// Weights of an attention read-out.
struct PoolParameters {
  at::Tensor queries;       ///< [1, Q, D], used as they are: there is no query projection
  at::Tensor key_weight;    ///< [D, D]
  at::Tensor key_bias;      ///< [D] or undefined
  at::Tensor value_weight;  ///< [D, D]
  at::Tensor value_bias;    ///< [D] or undefined
  std::int64_t heads = 1;
};

/// Those of a model with read_out = "attention".
[[nodiscard]] PoolParameters pool_parameters(const Parameters& parameters, std::int64_t heads);

/// Learned queries attend to all tokens of a sample; the mean of what they gather.
/// @param tokens  [B, N, D]. Returns [B, D].
/// @source attentive probe of AIM (arXiv 2401.08541), equation 4.
[[nodiscard]] at::Tensor attention_pool(const at::Tensor& tokens, const PoolParameters& pool,
                                        const Exec& exec);

}  // namespace conopa::nn
