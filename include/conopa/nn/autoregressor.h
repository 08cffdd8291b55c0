#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "conopa/arch/block_spec.h"
#include "conopa/nn/encoder.h"

namespace conopa::nn {

/// What one pass of an Autoregressor gives.
struct Prediction {
  at::Tensor latent;   ///< [B, N, D] the encoder's tokens after the final norm
  at::Tensor patches;  ///< [B, N, outputs] float32; place k predicts the patch at place k + 1
  at::Tensor words;    ///< [B, T + 1, V] float32; row t predicts word t; undefined without caption
};

/// An encoder with the decoder that predicts the next patch of every token, and of captions the
/// next word.
///
/// options.prefix is the encoder's prefix; options.visible, if given, is the order in which patches
/// are visited ([B, N], a permutation each): tokens keep the positions of their patches, and all
/// results are in that order.
/// @source AIM (arXiv 2401.08541), section 4; AIMv2 (arXiv 2411.14402), section 2.
class Autoregressor {
 public:
  /// @throws ConfigError if the encoder's spec has no such decoder.
  explicit Autoregressor(Encoder encoder);

  [[nodiscard]] const arch::EncoderSpec& spec() const noexcept { return encoder_.spec(); }
  [[nodiscard]] Parameters& parameters() noexcept { return encoder_.parameters(); }
  [[nodiscard]] const Parameters& parameters() const noexcept { return encoder_.parameters(); }
  [[nodiscard]] const Encoder& encoder() const noexcept { return encoder_; }

  /// @param images  [B, C, H, W] float32.
  /// @param words   [B, T] int64 token numbers, T up to decoder_context; of captioning decoders
  ///                only.
  /// @throws ShapeError like Encoder::encode, or if the words do not fit.
  [[nodiscard]] Prediction predict(const at::Tensor& images, const at::Tensor& words,
                                   const ForwardOptions& options) const;

 private:
  void check_words(const at::Tensor& images, const at::Tensor& words) const;
  [[nodiscard]] at::Tensor patch_input(const at::Tensor& latent,
                                       const ForwardOptions& options) const;
  [[nodiscard]] at::Tensor word_input(const at::Tensor& words) const;
  [[nodiscard]] at::Tensor project(std::string_view layer, const at::Tensor& rows,
                                   const Exec& exec) const;

  Encoder encoder_;
  std::vector<arch::BlockSpec> blocks_;
  at::Tensor position_;  // [1, N, W] of a next-patch decoder with blocks
};

}  // namespace conopa::nn
