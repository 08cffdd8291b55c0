#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "conopa/engine/session.h"
#include "conopa/kernels/attention.h"
#include "engine/arena.h"
#include "engine/model_impl.h"

namespace conopa::engine {

/// Who sees what a pass computes; null: nobody.
struct Observers {
  const Observer* layers = nullptr;
  const InputObserver* inputs = nullptr;

  [[nodiscard]] bool any() const noexcept { return layers != nullptr || inputs != nullptr; }
};

/// What one pass reads, of its images alone.
struct PassInput {
  const float* images = nullptr;           ///< [B, C, H, W]
  std::span<const std::int64_t> tokens{};  ///< [B, width] of models that read tokens
  std::span<const std::int64_t> prefix{};  ///< [B] or empty
};

/// One pass of at most arena.batch images through a model. Made for a call; owns nothing.
class Executor {
 public:
  Executor(const Model::Impl& model, Arena& arena, const PassInput& input, std::int64_t batch,
           std::int64_t first_image, const Observers& observers)
      : model_(model),
        arena_(arena),
        input_(input),
        batch_(batch),
        first_image_(first_image),
        observers_(observers) {}

  /// @param outputs  for these images alone.
  void run(const Outputs& outputs);
  /// What a next-patch decoder predicts of these images, [B, N, patch_outputs].
  void predict(std::span<float> patches);

 private:
  // Embeddings (executor_embed.cpp).
  void embed();
  void embed_images();
  void embed_tokens();
  void embed_stage(const StageTables& next);
  void add_embedding(const StageTables& tables, const kernels::ConstAct& patches,
                     const Buffer& into);
  void place_class_token();
  void add_conditional(const arch::BlockSpec& block);

  // Blocks (executor_block.cpp).
  void run_blocks(std::size_t count, bool one_token);
  void run_block(const arch::BlockSpec& block, const BlockWeights& w);
  /// The last block for the token that is read, into arena_.token.
  void run_block_for_token(const arch::BlockSpec& block, const BlockWeights& w);
  kernels::ConstAct whole_attention(const arch::BlockSpec& block, const BlockWeights& w);
  kernels::ConstAct attend_whole(const arch::BlockSpec& block, const BlockWeights& w,
                                 const kernels::ConstAct& y);
  kernels::ConstAct window_attention(const arch::BlockSpec& block, const BlockWeights& w);
  kernels::ConstAct pooled_attention(const arch::BlockSpec& block, const BlockWeights& w);
  kernels::ConstAct pooled_keys(const arch::BlockSpec& block, const BlockWeights& w,
                                const kernels::ConstAct& y);
  void feed_forward(const arch::BlockSpec& block, const BlockWeights& w,
                    const kernels::MutableAct& stream, std::int64_t rows);
  /// The same of what its norm puts out.
  void feed(const arch::BlockSpec& block, const BlockWeights& w, const kernels::ConstAct& y,
            const kernels::MutableAct& stream, std::int64_t rows);
  void norm_queries_and_keys(const arch::BlockSpec& block, const BlockWeights& w,
                             const kernels::MutableAct& qkv) const;

  // Language block (executor_language.cpp).
  [[nodiscard]] bool language_reads_all() const noexcept;
  void run_language();
  void enter_language();
  void leave_language(const kernels::MutableAct& x, std::int64_t count,
                      const kernels::MutableAct& y) const;
  void map_language(const LinearWeights& mapper, const kernels::ConstAct& x, std::int64_t count,
                    const kernels::MutableAct& y);
  void run_language_block(std::size_t index);
  void run_post_norm(const arch::BlockSpec& block, const BlockWeights& w);
  void run_language_for_token();
  void run_language_alone();
  void finish_language_token(std::int64_t width);
  void fold_language();
  void language_sums(const kernels::ConstAct& z, const kernels::MutableAct& targets,
                     const float* factors);

  // Quantisation-aware blocks (executor_lsq.cpp).
  void run_stepped_block(std::size_t index);
  kernels::ConstAct stepped_attention(const arch::BlockSpec& block, const LsqBlock& steps,
                                      const kernels::MutableAct& qkv);
  kernels::ConstAct stepped_hidden(const arch::BlockSpec& block, const BlockWeights& w,
                                   const LsqBlock& steps, const kernels::MutableAct& y);

  // Read-out (executor_read.cpp).
  void read_out(const Outputs& outputs, bool one_token);
  void add_read(const arch::BlockSpec& block);
  void pool_tokens(const kernels::MutableAct& features);
  [[nodiscard]] kernels::ConstAct final_normed(std::int64_t tokens);
  void end_token_norm(const kernels::MutableAct& features);
  void append_late_token();
  void classify(std::span<float> logits);

  // Attention read-out (executor_pool.cpp).
  void attention_pool(const kernels::ConstAct& x, std::int64_t tokens,
                      const kernels::MutableAct& features);
  void pool_softmax(std::int64_t tokens);

  // Next-patch decoder (executor_decode.cpp).
  void decode();
  void run_decoder_block(const arch::BlockSpec& block, const BlockWeights& w);

  // Shared steps.
  [[nodiscard]] std::int64_t rows() const noexcept { return batch_ * tables_->tokens; }
  [[nodiscard]] kernels::MutableAct stream() const noexcept;
  [[nodiscard]] kernels::MutableAct attended() const noexcept;
  /// The norm of `count` rows of float32.
  kernels::MutableAct normalise(const NormWeights& norm, const kernels::ConstAct& x,
                                std::int64_t count, const kernels::MutableAct& y) const;
  /// Wide rows as inputs of a linear layer: themselves, or quantised.
  kernels::ConstAct as_input(const kernels::ConstAct& wide, std::int64_t count,
                             std::int64_t width) const;
  [[nodiscard]] kernels::MutableAct norm_output(std::int64_t width) const noexcept;
  static void apply(const LinearWeights& layer, const kernels::ConstAct& x, std::int64_t count,
                    const kernels::MutableAct& y, const kernels::LinearRope& rope = {},
                    kernels::Activation activation = kernels::Activation::kNone);
  /// stream += scale * layer(x)
  static void add_branch(const LinearWeights& layer, const std::vector<float>& scale,
                         const kernels::ConstAct& x, std::int64_t count,
                         const kernels::ConstAct& residual, const kernels::MutableAct& stream);
  [[nodiscard]] kernels::AttentionMask mask_of(const arch::BlockSpec& block) const noexcept;
  void show(std::string_view name, const kernels::ConstAct& rows, std::int64_t tokens,
            std::int64_t width) const;
  void show_input(const arch::BlockSpec& block, LinearReader reader, const kernels::ConstAct& rows,
                  std::int64_t count, std::int64_t width) const;

  const Model::Impl& model_;
  Arena& arena_;
  PassInput input_;
  std::int64_t batch_;
  std::int64_t first_image_;
  Observers observers_;
  const StageTables* tables_ = nullptr;  // of the present stage
  std::int64_t width_ = 0;               // D of the present stage
};

}  // namespace conopa::engine
