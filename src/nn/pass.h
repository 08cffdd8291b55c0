#pragma once

#include <ATen/core/Tensor.h>

#include "conopa/nn/encoder.h"

namespace conopa::nn {

struct Encoder::Pass {
  const ForwardOptions& options;
  std::int64_t batch = 0;
  std::int64_t tokens = 0;
  double drop_path = 0.0;  ///< peak rate of this pass, 0 outside training
  AttentionConstants attention;

  /// Stores rows [B·N, D] as [B, N, D] if the caller asked for intermediates.
  void keep(const std::string& name, const at::Tensor& rows) const {
    if (options.capture == nullptr) return;
    (*options.capture)[name] = rows.detach().view({batch, -1, rows.size(-1)});
  }

  /// Stochastic-depth factors [B] of one branch (0 attention, 1 feed-forward), or undefined.
  [[nodiscard]] at::Tensor drop_scale(std::int64_t block, std::int64_t branch,
                                      std::int64_t depth) const;
};

}  // namespace conopa::nn
