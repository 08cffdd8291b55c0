#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "conopa/nn/encoder.h"
#include "conopa/nn/torch_compat.h"
#include "nn/stage_tables.h"

namespace conopa::nn {

/// Autocast where bf16 runs on stock operations; the kernels round operands by themselves.
[[nodiscard]] inline AutocastScope autocast_of(const at::Tensor& input, const Exec& exec) {
  return {input.device().type(), exec.precision == Precision::kBf16 &&
                                     (exec.ops == Ops::kStock || !input.device().is_cpu())};
}

/// What one forward pass carries through the blocks of one stage.
struct Pass {
  const ForwardOptions& options;
  const arch::EncoderSpec& spec;
  std::int64_t batch = 0;
  std::int64_t tokens = 0;  ///< of a sample in the present stage, class token included
  double drop_path = 0.0;   ///< peak rate of this pass, 0 outside training
  double mask_rate = 0.0;
  Rotation rotation = {};               ///< of the sequence
  at::Tensor keys_seen = {};            ///< [B, N] bool of a language block; undefined: all
  at::Tensor positions = {};            ///< rows added before every block; undefined: none
  const StageTables* tables = nullptr;  ///< of the stage; null: no map (decoders)
  std::vector<std::vector<std::int64_t>> read_lists = {};  ///< blocks whose outputs are summed

  [[nodiscard]] bool captures() const noexcept { return options.capture != nullptr; }

  /// Stores rows [B·N, D] as [B, N, D] if the caller asked for intermediates.
  void keep(const std::string& name, const at::Tensor& rows) const {
    if (!captures()) return;
    if (options.capture_gradients && rows.requires_grad()) {
      rows.retain_grad();
      (*options.capture)[name] = rows;
      return;
    }
    (*options.capture)[name] = rows.detach().view({batch, -1, rows.size(-1)});
  }

  /// Stochastic-depth factors [B] of one branch (0 attention, 1 feed-forward), or undefined.
  [[nodiscard]] at::Tensor drop_scale(std::int64_t block, std::int64_t branch) const;
};

}  // namespace conopa::nn
