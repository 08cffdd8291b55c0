#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "conopa/arch/block_spec.h"
#include "conopa/nn/encoder.h"
#include "conopa/nn/patch_mask.h"

namespace conopa::nn {

/// An encoder that sees some patches and a decoder that predicts the pixels of all of them.
///
/// The decoder takes the encoder's tokens after its final norm: linear layer, mask tokens in the
/// removed places, class token in front if the spec has one, fixed positions, blocks, norm,
/// prediction. The class token's own prediction is never computed: nobody reads it.
/// @source MAE (arXiv 2111.06377); VisionLLaMA (arXiv 2403.00522), section 4.3.
class MaskedAutoencoder {
 public:
  /// @throws ConfigError if the encoder's spec has no decoder.
  explicit MaskedAutoencoder(Encoder encoder);

  [[nodiscard]] const arch::EncoderSpec& spec() const noexcept { return encoder_.spec(); }
  [[nodiscard]] Parameters& parameters() noexcept { return encoder_.parameters(); }
  [[nodiscard]] const Parameters& parameters() const noexcept { return encoder_.parameters(); }
  [[nodiscard]] const Encoder& encoder() const noexcept { return encoder_; }

  /// Every visible token after the final norm: [B, K, D], or [B, K + 1, D] with the class token at
  /// the place that the spec gives it.
  /// @param images  [B, C, H, W] float32; the mask on the same device. options.visible is ignored.
  /// @throws ShapeError like Encoder::encode.
  [[nodiscard]] at::Tensor encode(const at::Tensor& images, const PatchMask& mask,
                                  const ForwardOptions& options) const;

  /// Predicted pixels of all patches in the order of patch_pixels(), [B, L, P·P·C] float32.
  ///
  /// Captures "decoder_blockI_..." as an encoder does. Stochastic depth acts in the encoder alone.
  /// @param latent   what encode() returned.
  /// @param restore  of the same mask.
  [[nodiscard]] at::Tensor decode(const at::Tensor& latent, const at::Tensor& restore,
                                  const ForwardOptions& options) const;

 private:
  [[nodiscard]] at::Tensor decoder_input(const at::Tensor& latent, const at::Tensor& restore,
                                         const Exec& exec) const;

  Encoder encoder_;
  std::vector<arch::BlockSpec> blocks_;
};

}  // namespace conopa::nn
