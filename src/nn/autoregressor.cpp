#include "conopa/nn/autoregressor.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>

#include "conopa/core/error.h"
#include "nn/decoder_blocks.h"

namespace conopa::nn {

namespace names = arch::names;

Autoregressor::Autoregressor(Encoder encoder)
    : encoder_(std::move(encoder)), blocks_(arch::decoder_blocks(spec())) {
  const bool next_patch = spec().decoder == arch::Decoder::kNextPatch;
  if (!next_patch && spec().decoder != arch::Decoder::kCaption) {
    throw ConfigError("autoregression",
                      "the model has no decoder that predicts the next patch; set model.decoder = "
                      "\"next_patch\" or \"caption\"");
  }
  if (next_patch && !blocks_.empty()) {
    position_ = computed_position(spec(), spec().stages().front(), spec().decoder_dim)
                    .to(parameters().device());
  }
}

void Autoregressor::check_words(const at::Tensor& images, const at::Tensor& words) const {
  if (spec().decoder != arch::Decoder::kCaption) {
    if (!words.defined()) return;
    throw ShapeError("autoregression", "a next-patch decoder takes no words");
  }
  if (!words.defined() || words.dim() != 2 || words.size(0) != images.size(0) ||
      words.size(1) < 1 || words.size(1) > spec().decoder_context) {
    throw ShapeError("autoregression", "expected words [{}, 1..{}], found {}", images.size(0),
                     spec().decoder_context,
                     words.defined() ? to_string(words.sizes().vec()) : "none");
  }
  const std::int64_t low = words.min().item<std::int64_t>();
  const std::int64_t high = words.max().item<std::int64_t>();
  if (low < 0 || high >= spec().decoder_vocabulary) {
    throw ShapeError("autoregression", "expected words 0..{}, found {}..{}",
                     spec().decoder_vocabulary - 1, low, high);
  }
}

at::Tensor Autoregressor::project(std::string_view layer, const at::Tensor& rows,
                                  const Exec& exec) const {
  const std::string prefix(layer);
  const std::int64_t width = rows.size(-1);
  std::vector<std::int64_t> shape = rows.sizes().vec();
  shape.back() = -1;
  return linear(rows.reshape({-1, width}), parameters().require(prefix + ".weight"),
                parameters().get(prefix + ".bias"), exec)
      .view(shape);
}

at::Tensor Autoregressor::patch_input(const at::Tensor& latent,
                                      const ForwardOptions& options) const {
  const at::Tensor x = project(names::kDecoderEmbed, latent, options.exec);
  if (!position_.defined()) return x;
  if (!options.visible.defined()) return x + position_;
  const at::Tensor order = options.visible.unsqueeze(2).expand(x.sizes());
  return x + position_.expand(x.sizes()).gather(1, order);
}

at::Tensor Autoregressor::word_input(const at::Tensor& words) const {
  const std::int64_t B = words.size(0);
  const std::int64_t length = words.size(1) + 1;
  const at::Tensor begin =
      parameters().require(names::kDecoderBegin).expand({B, 1, spec().decoder_dim});
  const at::Tensor embedded = at::embedding(
      parameters().require(std::string(names::kDecoderTokenEmbed) + ".weight"), words);
  return at::cat({begin, embedded}, 1) +
         parameters().require(names::kDecoderTokenPosition).narrow(1, 0, length);
}

Prediction Autoregressor::predict(const at::Tensor& images, const at::Tensor& words,
                                  const ForwardOptions& options) const {
  check_words(images, words);
  const AutocastScope autocast = autocast_of(images, options.exec);
  Prediction out{.latent = encoder_.encode(images, options), .patches = {}, .words = {}};
  if (blocks_.empty()) {
    out.patches = project(names::kDecoderOut, out.latent, options.exec).to(at::kFloat);
    return out;
  }
  at::Tensor x = patch_input(out.latent, options);
  const std::int64_t N = x.size(1);
  if (words.defined()) x = at::cat({x, word_input(words).to(x.scalar_type())}, 1);
  const at::Tensor y = run_decoder(x, blocks_, parameters(), spec(), options);
  out.patches = project(names::kDecoderOut, y.narrow(1, 0, N), options.exec).to(at::kFloat);
  if (words.defined()) {
    out.words = project(names::kDecoderTokenOut, y.narrow(1, N, y.size(1) - N), options.exec)
                    .to(at::kFloat);
  }
  return out;
}

}  // namespace conopa::nn
