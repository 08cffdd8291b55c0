#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "conopa/arch/encoder_spec.h"
#include "conopa/nn/ops.h"
#include "conopa/nn/parameters.h"

namespace conopa::nn {

/// Intermediate tensors by name: "patch_embed", "tokens_in", "blockI_attn_map", "blockI_attn_out",
/// "blockI_mlp_out", "blockI_out", "final_norm". Token tensors are [B, N, D], maps [B, H, N, N].
using Capture = std::map<std::string, at::Tensor>;

/// One stream of random numbers per training step: same (seed, step), same masks.
struct StepRandom {
  std::uint64_t seed = 0;
  std::uint64_t step = 0;
};

/// How one forward pass runs.
struct ForwardOptions {
  Exec exec;
  bool training = false;            ///< stochastic depth, dropout and quantiser start-up
  std::optional<double> mask_rate;  ///< α of the soft mask; default spec.mask_rate
  std::optional<double> drop_path;  ///< peak stochastic-depth rate; default spec.drop_path
  StepRandom random;                ///< used while training
  bool checkpoint_blocks = false;   ///< recompute block activations in the backward pass
  Capture* capture = nullptr;       ///< filled with every intermediate tensor if given
};

/// Result of a forward pass.
struct ForwardResult {
  at::Tensor features;  ///< [B, D] what the head reads, after the final norm
  at::Tensor logits;    ///< [B, classes], undefined without a head
};

/// libtorch executor of any EncoderSpec.
///
/// The residual stream is kept as rows [B·N, D], and a block's branch is added by the next norm in
/// one pass. If only the class token is read, the last block computes queries, projection and
/// feed-forward for that token alone; the result is exact.
class Encoder {
 public:
  /// @param spec  resolved spec.
  explicit Encoder(arch::EncoderSpec spec, at::Device device = at::kCPU);

  [[nodiscard]] const arch::EncoderSpec& spec() const noexcept { return spec_; }
  [[nodiscard]] Parameters& parameters() noexcept { return parameters_; }
  [[nodiscard]] const Parameters& parameters() const noexcept { return parameters_; }

  /// @param images  [B, C, H, W] float32 on the encoder's device.
  /// @throws ShapeError if the images do not have the spec's size.
  [[nodiscard]] ForwardResult forward(const at::Tensor& images,
                                      const ForwardOptions& options) const;

  /// Raw outputs of spec.feature_blocks (class token dropped, no final norm) as maps
  /// [B, D, rows, cols], through the neck if the spec has one.
  [[nodiscard]] std::vector<at::Tensor> feature_maps(const at::Tensor& images,
                                                     const ForwardOptions& options) const;

 private:
  struct Pass;  // what one forward pass carries along

  [[nodiscard]] at::Tensor embed(const at::Tensor& images, Pass& pass) const;
  [[nodiscard]] NormParameters norm(const std::string& prefix) const;
  [[nodiscard]] at::Tensor layer(const std::string& prefix, const at::Tensor& x, Pass& pass) const;
  [[nodiscard]] at::Tensor attention_branch(std::int64_t block, const at::Tensor& y,
                                            Pass& pass) const;
  [[nodiscard]] at::Tensor explicit_attention(std::int64_t block, const at::Tensor& qkv,
                                              Pass& pass) const;
  [[nodiscard]] at::Tensor mlp_branch(std::int64_t block, const at::Tensor& y, Pass& pass) const;
  [[nodiscard]] at::Tensor scaled(std::int64_t block, std::string_view scale,
                                  const at::Tensor& branch) const;
  void run_block(std::int64_t block, at::Tensor& x, Branch& pending, Pass& pass) const;
  void run_block_checkpointed(std::int64_t block, at::Tensor& x, Branch& pending, Pass& pass) const;
  [[nodiscard]] at::Tensor run_last_block_for_token(at::Tensor x, Branch pending, Pass& pass) const;
  [[nodiscard]] bool token_shortcut(const Pass& pass) const;

  arch::EncoderSpec spec_;
  Parameters parameters_;
  at::Tensor cos_, sin_;  // rotation tables [N, Dh/2]
};

}  // namespace conopa::nn
