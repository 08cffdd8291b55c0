#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <string_view>

#include "conopa/arch/block_spec.h"
#include "conopa/nn/parameters.h"
#include "nn/pass.h"

namespace conopa::nn {

/// Norm layer `prefix` of a model.
[[nodiscard]] NormParameters norm_of(const Parameters& parameters, const std::string& prefix,
                                     arch::Norm kind, double eps);

/// Runs one transformer block; a light view, made for every call.
///
/// The residual stream is rows [B·N, D]. A block leaves its feed-forward branch pending: the next
/// norm adds it.
class Block {
 public:
  /// Both are kept by reference and must outlive a backward pass through checkpointed blocks.
  Block(const arch::BlockSpec& spec, const Parameters& parameters)
      : spec_(spec), parameters_(parameters) {}

  void run(at::Tensor& x, Branch& pending, const Pass& pass) const;

  /// The same, recomputed in the backward pass.
  void run_checkpointed(at::Tensor& x, Branch& pending, const Pass& pass) const;

  /// The feed-forward half for tokens [B, D] whose attention branch is known.
  [[nodiscard]] std::pair<at::Tensor, Branch> feed_token(const at::Tensor& token,
                                                         const Branch& attended,
                                                         const Pass& pass) const;

  /// The attention branch of normalised rows [B·N, D], before it is added.
  [[nodiscard]] at::Tensor attention_branch(const at::Tensor& y, const Pass& pass) const;
  /// One of its linear layers (names::kQkv, ...) with its low-rank branch, on rows.
  [[nodiscard]] at::Tensor layer(std::string_view name, const at::Tensor& x,
                                 const Pass& pass) const;

  /// The block's output for one token alone (exact if no other token is read): queries, projection
  /// and feed-forward run on [B, D].
  /// @return the stream of that token and its pending branch.
  [[nodiscard]] std::pair<at::Tensor, Branch> run_for_token(const at::Tensor& x,
                                                            const Branch& pending,
                                                            std::int64_t token,
                                                            const Pass& pass) const;

 private:
  [[nodiscard]] NormParameters norm(std::string_view layer) const;
  /// What the low-rank matrices add to a layer's output.
  [[nodiscard]] at::Tensor lora_branch(std::string_view name, const at::Tensor& x,
                                       const Pass& pass) const;
  [[nodiscard]] at::Tensor scaled(std::string_view scale, const at::Tensor& branch) const;
  [[nodiscard]] AttentionConstants constants(const Pass& pass) const;

  [[nodiscard]] at::Tensor whole_attention(const at::Tensor& y, const Pass& pass) const;
  [[nodiscard]] at::Tensor explicit_attention(const at::Tensor& qkv, const Pass& pass) const;
  [[nodiscard]] at::Tensor window_attention(const at::Tensor& y, const Pass& pass) const;
  [[nodiscard]] at::Tensor pooled_attention(const at::Tensor& y, const Pass& pass) const;
  void run_post_norm(at::Tensor& x, Branch& pending, const Pass& pass) const;
  /// The feed-forward layer behind its first matrix; y is what that read.
  [[nodiscard]] at::Tensor activated(const at::Tensor& up, const at::Tensor& y,
                                     const Pass& pass) const;
  [[nodiscard]] at::Tensor mlp_branch(const at::Tensor& y, const Pass& pass) const;

  const arch::BlockSpec& spec_;
  const Parameters& parameters_;
};

}  // namespace conopa::nn
