#include "conopa/nn/masked_autoencoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>

#include "conopa/core/error.h"
#include "nn/decoder_blocks.h"

namespace conopa::nn {
namespace {

namespace names = arch::names;

at::Tensor project(const Parameters& parameters, std::string_view layer, const at::Tensor& rows,
                   const Exec& exec) {
  const std::string prefix(layer);
  return linear(rows, parameters.require(prefix + ".weight"), parameters.get(prefix + ".bias"),
                exec);
}

}  // namespace

MaskedAutoencoder::MaskedAutoencoder(Encoder encoder)
    : encoder_(std::move(encoder)), blocks_(arch::decoder_blocks(spec())) {
  if (blocks_.empty()) {
    throw ConfigError("mae", "the model has no decoder; set model.decoder = \"mae\"");
  }
}

at::Tensor MaskedAutoencoder::encode(const at::Tensor& images, const PatchMask& mask,
                                     const ForwardOptions& options) const {
  ForwardOptions masked = options;
  masked.visible = mask.visible;
  return encoder_.encode(images, masked);
}

at::Tensor MaskedAutoencoder::decoder_input(const at::Tensor& latent, const at::Tensor& restore,
                                            const Exec& exec) const {
  const std::int64_t B = latent.size(0);
  const std::int64_t L = restore.size(1);
  const std::int64_t W = spec().decoder_dim;
  at::Tensor x =
      project(parameters(), names::kDecoderEmbed, latent.reshape({-1, latent.size(2)}), exec)
          .view({B, -1, W});
  const std::int64_t classes = spec().has_class_token() ? 1 : 0;
  const std::int64_t K = x.size(1) - classes;
  const bool behind = spec().class_token == arch::ClassToken::kBack;
  const at::Tensor token = x.narrow(1, behind ? K : 0, classes);  // [B, 0 or 1, W]
  const at::Tensor seen = x.narrow(1, behind ? 0 : classes, K);
  const at::Tensor unseen =
      parameters().require(names::kMaskToken).to(x.scalar_type()).expand({B, L - K, W});
  x = at::cat({seen, unseen}, 1).gather(1, restore.unsqueeze(2).expand({B, L, W}));
  return at::cat({token, x}, 1) + parameters().require(names::kDecoderPosition);
}

at::Tensor MaskedAutoencoder::decode(const at::Tensor& latent, const at::Tensor& restore,
                                     const ForwardOptions& options) const {
  const AutocastScope autocast = autocast_of(latent, options.exec);
  const std::int64_t B = latent.size(0);
  const std::int64_t L = restore.size(1);
  const std::int64_t W = spec().decoder_dim;
  const at::Tensor y = run_decoder(decoder_input(latent, restore, options.exec), blocks_,
                                   parameters(), spec(), options);
  const at::Tensor patches = y.narrow(1, y.size(1) - L, L).reshape({B * L, W});
  return project(parameters(), names::kDecoderOut, patches, options.exec)
      .view({B, L, -1})
      .to(at::kFloat);
}

}  // namespace conopa::nn
