#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "conopa/arch/encoder_spec.h"
#include "conopa/core/host_tensor.h"
#include "conopa/nn/probe_norm.h"

namespace conopa::train {

/// What one head of a grid is trained with.
struct ProbeSetting {
  double lr = 1e-3;
  double weight_decay = 0.05;
};

/// How all heads of a grid are trained.
struct ProbeTraining {
  std::int64_t epochs = 10;
  std::int64_t steps_per_epoch = 1;
  double warmup_epochs = 0.0;
  double lr_min = 1e-5;    ///< where the cosine ends; a smaller peak stays constant
  double clip_grad = 3.0;  ///< largest gradient norm of a head; 0 = off
  std::uint64_t seed = 0;  ///< of the weights: every head begins with the same
};

/// Heads that read the same tokens, trained side by side: each batch is read, normalised and scored
/// once, and every head takes an AdamW step of its own.
///
/// A head with read_out = "attention" is queries, keys, values and a linear layer; with "mean" it
/// is a linear layer over the mean token. head_norm = "batch" in front has no weights, so one set
/// of running statistics serves all heads exactly. No head sees another: the result of a setting
/// does not depend on its neighbours.
///
/// Keys and values of tokens are never made. With queries q that are parameters, the score of token
/// x is qᵀ(W_k x) = (W_kᵀ q)ᵀ x, and Σ a W_v x = W_v Σ a x: per head and token that is 2·H·Q·D
/// multiplications instead of 2·D², the same function up to rounding. Not thread-safe.
/// @source attentive probe of AIM (arXiv 2401.08541), equation 4; AIMv2 (arXiv 2411.14402),
///   table A2: AdamW (0.9, 0.999), minimum rate 1e-5, clipping at 3.
class ProbeGrid {
 public:
  /// @param spec  resolved spec of the model with its head: read_out "attention" (pool_bias off) or
  ///              "mean", head_norm "batch", num_classes > 0.
  /// @throws ConfigError if the spec is none of these, or the warm-up exceeds the run.
  ProbeGrid(arch::EncoderSpec spec, std::vector<ProbeSetting> settings,
            const ProbeTraining& training, at::Device device = at::kCPU);

  [[nodiscard]] std::int64_t size() const noexcept { return std::ssize(settings_); }
  [[nodiscard]] const std::vector<ProbeSetting>& settings() const noexcept { return settings_; }

  /// One step of every head; at most epochs·steps_per_epoch calls.
  /// @param tokens  [B, N, D] float32 (N = 1: mean tokens); labels [B] int64.
  /// @return the loss of every head before the step.
  /// @throws ShapeError for fewer than two rows to normalise.
  std::vector<double> step(const at::Tensor& tokens, const at::Tensor& labels);

  /// What the heads say under the running statistics, [G, B, classes] float32, without gradient.
  [[nodiscard]] at::Tensor logits(const at::Tensor& tokens) const;

  /// The tensors of one head and the statistics in front of it, canonical names.
  [[nodiscard]] std::map<std::string, HostTensor> head(std::int64_t index) const;

 private:
  struct Stack {
    std::string name;   ///< canonical
    at::Tensor values;  ///< [G, ...], float32, requires a gradient
    at::Tensor mean;    ///< AdamW's averages
    at::Tensor square;
    bool decay = false;
  };

  [[nodiscard]] at::Tensor stack(std::string_view name) const;
  [[nodiscard]] at::Tensor normalised(const at::Tensor& tokens, bool training) const;
  [[nodiscard]] at::Tensor pooled(const at::Tensor& tokens) const;
  [[nodiscard]] at::Tensor classify(const at::Tensor& tokens) const;
  [[nodiscard]] at::Tensor per_head(const std::vector<double>& values) const;
  void update();

  arch::EncoderSpec spec_;
  std::vector<ProbeSetting> settings_;
  ProbeTraining training_;
  std::vector<std::vector<double>> rates_;  ///< [G][step]
  std::vector<Stack> stacks_;
  nn::ProbeStatistics statistics_;
  std::int64_t steps_ = 0;
};

}  // namespace conopa::train
