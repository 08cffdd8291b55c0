#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "conopa/arch/encoder_spec.h"

namespace conopa::nn {

/// Arithmetic of matrix products; everything else is float32.
enum class Precision { kFp32, kBf16 };

/// Which implementation of an operation runs.
enum class Ops {
  kAuto,   ///< fused kernels for float32 on the CPU, stock libtorch elsewhere
  kStock,  ///< composed libtorch operations: any device and dtype, double differentiable
  kFused   ///< room `kernels`; float32 CPU tensors only
};

/// How operations are executed.
struct Exec {
  Precision precision = Precision::kFp32;
  Ops ops = Ops::kAuto;
};

/// y = x Wᵀ + b on rows. With bf16 the operands are rounded, the accumulation stays float32.
///
/// @param x  [rows, in], weight [out, in], bias [out] or undefined. Returns [rows, out].
[[nodiscard]] at::Tensor linear(const at::Tensor& x, const at::Tensor& weight,
                                const at::Tensor& bias, const Exec& exec);

struct NormParameters {
  arch::Norm kind = arch::Norm::kRms;
  at::Tensor weight;  ///< [D]
  at::Tensor bias;    ///< [D], kLayer only
  double eps = 1e-6;
};

/// A branch waiting to be added to the residual stream.
struct Branch {
  at::Tensor value;         ///< [B·N, D], or undefined for none
  at::Tensor sample_scale;  ///< [B] stochastic-depth factors (0 or 1/keep), or undefined for 1
};

/// x + scale·branch by stock operations; x itself without a branch.
[[nodiscard]] at::Tensor add_branch(const at::Tensor& x, const Branch& branch);

/// h = x + scale·branch; y = norm(h). One pass over memory where the kernels apply.
/// @param x  [B·N, D]. Returns {h, y}; h is x itself without a branch.
[[nodiscard]] std::pair<at::Tensor, at::Tensor> add_norm(const at::Tensor& x, const Branch& branch,
                                                         const NormParameters& norm,
                                                         const Exec& exec);

/// silu(gate) ⊙ up, both [rows, hidden].
[[nodiscard]] at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up, const Exec& exec);

/// Exact (erf) GELU.
[[nodiscard]] at::Tensor gelu(const at::Tensor& x, const Exec& exec);

/// Rotation of one set of tokens; both undefined for none.
struct Rotation {
  at::Tensor cos;  ///< [1 or B, 1 or H, N, Dh/2] float32; 1: shared by samples or heads
  at::Tensor sin;

  [[nodiscard]] bool defined() const { return cos.defined(); }
  /// The rows of one token.
  [[nodiscard]] Rotation at(std::int64_t token) const;
  /// The rows of chosen tokens, a choice per sample. @param tokens [B, K] int64.
  [[nodiscard]] Rotation gather(const at::Tensor& tokens) const;
};

/// Constants of attention over one sequence length.
struct AttentionConstants {
  std::int64_t heads = 1;
  std::int64_t head_dim = 64;
  arch::Mask mask = arch::Mask::kBidirectional;
  double mask_rate = 0.0;  ///< α of the soft mask
  Rotation rotation = {};  ///< of queries, and of keys in self-attention
  at::Tensor prefix = {};  ///< [B] int64 of kPrefixCausal; undefined: every key is seen
  /// [B, Nk] bool: false for padded keys, which no query sees; undefined: none. Stock operations.
  at::Tensor keys_seen = {};
};

/// Self-attention of a fused projection.
/// @param qkv  [B·N, 3·D], channels q|k|v, each head-major. Returns [B·N, D].
[[nodiscard]] at::Tensor attention(const at::Tensor& qkv, std::int64_t tokens,
                                   const AttentionConstants& constants, const Exec& exec);

/// Attention of queries to another set of keys, every key visible whatever the mask says.
/// @param q   [B·Nq, D]; kv [B·Nk, 2·D], channels k|v; keys is Nk. Returns [B·Nq, D].
/// @param key_rotation  of the keys; defined if and only if constants.rotation is.
[[nodiscard]] at::Tensor cross_attention(const at::Tensor& q, const at::Tensor& kv,
                                         std::int64_t keys, const AttentionConstants& constants,
                                         const Rotation& key_rotation, const Exec& exec);

/// Rotates adjacent channel pairs of [B, H, N, Dh] by stock operations.
[[nodiscard]] at::Tensor rotate(const at::Tensor& x, const Rotation& rotation);

/// Attention weights [B, H, N, N] after the mask, by stock operations; q, k are [B, H, N, Dh],
/// already rotated.
[[nodiscard]] at::Tensor attention_weights(const at::Tensor& q, const at::Tensor& k,
                                           const AttentionConstants& constants);

/// Mean cross entropy against a target distribution.
/// @param logits  [B, K] float32; targets [B, K] rows, usually summing to 1.
[[nodiscard]] at::Tensor soft_target_cross_entropy(const at::Tensor& logits,
                                                   const at::Tensor& targets, const Exec& exec);

/// Mean cross entropy against labels [B] int64 smoothed by `smoothing`.
[[nodiscard]] at::Tensor label_cross_entropy(const at::Tensor& logits, const at::Tensor& labels,
                                             double smoothing, const Exec& exec);

/// Mean over batch and classes of the binary cross entropy of σ(logits): max(x, 0) − x·t +
/// log(1 + e^−|x|), which overflows for no logit.
///
/// Stock operations under every `exec`: two passes over [B, K] are nothing beside a model.
/// @param logits  [B, K] float32; targets [B, K], 0 to 1.
[[nodiscard]] at::Tensor binary_cross_entropy(const at::Tensor& logits, const at::Tensor& targets,
                                              const Exec& exec);

/// Runs `body` without keeping its intermediate results and runs it again in the backward pass.
///
/// `body` must be a pure function of its inputs and of parameters that it captures; parameters
/// receive their gradients from the second run. At least one input must require a gradient.
[[nodiscard]] std::vector<at::Tensor> checkpoint(
    const std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>&)>& body,
    const std::vector<at::Tensor>& inputs);

}  // namespace conopa::nn
