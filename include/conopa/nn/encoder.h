#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "conopa/arch/block_spec.h"
#include "conopa/arch/encoder_spec.h"
#include "conopa/nn/ops.h"
#include "conopa/nn/parameters.h"

namespace conopa::nn {

/// Intermediate tensors by name: "patch_embed", "tokens_in", "blockI_attn_map", "blockI_attn_out",
/// "blockI_mlp_out", "blockI_out", "final_norm"; around a language block "encoder_out",
/// "llm_mapper1", "llm_layerJ_..." as of blocks, "llm_norm", "llm_mapper2"; in a pyramid
/// "stageS_patch_embed" and "stageS_blockI_...", I counting inside the stage. Token tensors are [B,
/// N, D], maps [B, H, N, N] (of blocks that attend over the whole sequence).
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
  at::Tensor visible = {};          ///< [B, K] int64: patches that are encoded; undefined: all
  at::Tensor prefix = {};           ///< [B] int64, 0..N: tokens of kPrefixCausal that all see
  at::Tensor keys_seen = {};        ///< [B, N] bool: tokens a language block sees; undefined: all
  Capture* capture = nullptr;       ///< filled with every intermediate tensor if given
  bool capture_gradients = false;  ///< captured tensors are rows [B·N, D] that keep their gradient
};

/// Result of a forward pass.
struct ForwardResult {
  at::Tensor features;  ///< [B, D] what the head reads, after the final norm and the pooling
  at::Tensor logits;    ///< [B, spec.outputs()], undefined without head and projection
};

struct Pass;
struct StageTables;

/// libtorch executor of any EncoderSpec.
///
/// The residual stream is kept as rows [B·N, D], and a block's branch is added by the next norm in
/// one pass. If only the class token is read, the last block computes queries, projection and
/// feed-forward for that token alone; the result is exact. Blocks behind the last of read_blocks do
/// not run unless a capture asks for them.
class Encoder {
 public:
  /// @param spec  resolved spec.
  explicit Encoder(arch::EncoderSpec spec, at::Device device = at::kCPU);
  ~Encoder();
  Encoder(Encoder&&) noexcept;

  [[nodiscard]] const arch::EncoderSpec& spec() const noexcept { return spec_; }
  [[nodiscard]] Parameters& parameters() noexcept { return parameters_; }
  [[nodiscard]] const Parameters& parameters() const noexcept { return parameters_; }

  /// @param images  [B, C, H, W] float32 on the encoder's device; token numbers [B, width] int64 of
  ///                models with input = tokens; clouds [B, N, 3] with input = points, N at
  ///                least the groups and a group's points.
  /// @throws ShapeError if the images do not have the spec's size, or a token or a prefix is out of
  ///         range; FormatError for points that are not finite.
  [[nodiscard]] ForwardResult forward(const at::Tensor& images,
                                      const ForwardOptions& options) const;

  /// Every token after the final norm, [B, N, D]: patches row by row (the visible ones in their
  /// given order), the class token at its place (in front if it joins late).
  /// @throws ShapeError like forward; ConfigError for visible patches of a spec whose blocks need
  ///         the whole map.
  [[nodiscard]] at::Tensor encode(const at::Tensor& images, const ForwardOptions& options) const;

  /// The tokens of several layers from one pass, [B, N, D] each: for a list of blocks the mean of
  /// their raw outputs, for an empty list the tokens after the final norm. Blocks behind the last
  /// one asked for do not run. Plain encoders only, as spec.read_blocks.
  /// @throws ShapeError like forward; ConfigError for a block that the model does not have.
  [[nodiscard]] std::vector<at::Tensor> encode_layers(
      const at::Tensor& images, const std::vector<std::vector<std::int64_t>>& lists,
      const ForwardOptions& options) const;

  /// Raw outputs of spec.feature_blocks (class token dropped, no final norm) as maps
  /// [B, D, rows, cols], through the neck if the spec has one.
  [[nodiscard]] std::vector<at::Tensor> feature_maps(const at::Tensor& images,
                                                     const ForwardOptions& options) const;

 private:
  struct Stream;  // the residual stream with its pending branch

  [[nodiscard]] Pass make_pass(const at::Tensor& images, const ForwardOptions& options) const;
  void embed(std::size_t stage, const at::Tensor& images, Stream& stream, Pass& pass) const;
  [[nodiscard]] at::Tensor with_class_and_position(std::size_t stage, at::Tensor x,
                                                   const Pass& pass) const;
  [[nodiscard]] at::Tensor positioned(std::size_t stage, const at::Tensor& x) const;
  void keep_visible(at::Tensor& x, Pass& pass) const;
  void add_conditional(const arch::BlockSpec& block, Stream& stream, const Pass& pass) const;
  [[nodiscard]] at::Tensor embedded(std::size_t stage, const at::Tensor& images,
                                    const Stream& stream, const Pass& pass) const;
  [[nodiscard]] at::Tensor read_one_token(const at::Tensor& images, Pass& pass) const;
  void add_language(std::int64_t blocks_before, Stream& stream, const Pass& pass) const;
  [[nodiscard]] at::Tensor read_tokens(const Stream& stream, const Pass& pass) const;
  [[nodiscard]] at::Tensor pooled(const Stream& stream, const Pass& pass) const;
  [[nodiscard]] Stream run_blocks(const at::Tensor& images, std::size_t count, Pass& pass) const;
  /// The same with the language block behind the last of them.
  [[nodiscard]] Stream run_through(const at::Tensor& images, std::size_t count, Pass& pass) const;
  static void sum_reads(std::int64_t block, Stream& stream, const Pass& pass);
  [[nodiscard]] at::Tensor normalised(const Stream& stream, const Pass& pass) const;
  [[nodiscard]] at::Tensor read_out(const at::Tensor& images, const Stream& stream,
                                    const Pass& pass) const;
  [[nodiscard]] at::Tensor classify(const at::Tensor& features,
                                    const ForwardOptions& options) const;
  [[nodiscard]] NormParameters final_norm() const;

  arch::EncoderSpec spec_;
  Parameters parameters_;
  std::vector<arch::BlockSpec> blocks_;
  std::vector<arch::BlockSpec> language_;
  std::vector<StageTables> stages_;
};

}  // namespace conopa::nn
